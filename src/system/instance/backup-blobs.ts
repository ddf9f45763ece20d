import { existsSync, readdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { create, extract } from 'tar'
import { BLOB_NAME } from '#domain/storage/blob-store.ts'
import { BackupRefused, BLOBS } from './backup-file.ts'
import type { DataFolder } from './data-folder.ts'

/** Packs the blobs of the data folder into the folder `to`, as they are: sealed. Returns false when there are none. A blob that a server deletes meanwhile is left out. */
export async function packBlobs ({ blobs }: DataFolder, to: string): Promise<boolean> {
  if (!existsSync(blobs) || readdirSync(blobs).length === 0) return false
  await create({ file: join(to, BLOBS), cwd: dirname(blobs), portable: true, filter: path => !basename(path).startsWith('.') }, [basename(blobs)])
  return true
}

/** Unpacks the packed blobs in the folder `at`. @throws {BackupRefused} when there is anything but blobs among them */
export async function unpackBlobs ({ path, blobs }: DataFolder): Promise<void> {
  const file = join(path, BLOBS)
  if (!existsSync(file)) return
  let strange: string | undefined
  await mkdir(blobs, { mode: 0o700 })
  await extract({
    file,
    cwd: path,
    strict: true,
    preserveOwner: false,
    fmode: 0o600,
    dmode: 0o700,
    filter (name, entry) {
      if (!isBlob(name, basename(blobs), 'type' in entry ? entry.type : '')) strange ??= name
      return strange === undefined
    }
  })
  if (strange !== undefined) throw new BackupRefused(`${BLOBS} in the backup holds ${JSON.stringify(strange)}, which does not belong there`)
  await rm(file)
}

/** Whether this entry is a blob, the folder of a scope, or the folder of all. */
function isBlob (name: string, folder: string, type: string): boolean {
  const [first, ...rest] = name.replace(/\/$/, '').split('/')
  return first === folder && rest.length <= 2 && rest.every(part => BLOB_NAME.test(part)) && type === (rest.length === 2 ? 'File' : 'Directory')
}
