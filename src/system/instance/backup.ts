import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, copyFile, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Copies } from '#stores/backend.ts'
import { packBlobs } from './backup-blobs.ts'
import { BackupRefused, BLOBS, KEPT, newManifest, pack, type Manifest } from './backup-file.ts'
import type { DataFolder } from './data-folder.ts'
import { flush } from './finish-restore.ts'

/**
 * Writes a backup of the stores to `file`, which only root can read. It is made beside it, and replaces an earlier one when it
 * is complete. A server may write to the stores meanwhile: each is copied as it is at one moment.
 * `keyFile`, if given, goes along: a person with the backup can then read what is sealed in it.
 * @throws {BackupRefused} when there is nothing to back up
 */
export async function makeBackup (folder: DataFolder, copies: Copies, about: Pick<Manifest, 'version' | 'store'>, file: string, keyFile?: string): Promise<Manifest> {
  const parts = await mkdtemp(`${file}.new-`) // 0700
  try {
    const files: Manifest['files'] = {}
    for (const store of KEPT) {
      const name = basename(folder[store])
      if (!await copies.copy(folder[store], join(parts, name))) continue
      await chmod(join(parts, name), 0o600) // a person who unpacks the backup by hand keeps it so
      files[name] = await checksum(join(parts, name))
    }
    if (await packBlobs(folder, parts)) files[BLOBS] = await checksum(join(parts, BLOBS))
    if (Object.keys(files).length === 0) throw new BackupRefused(`there is nothing to back up in ${folder.path}`)
    if (keyFile !== undefined) {
      const name = basename(folder.masterKeys)
      await copyFile(keyFile, join(parts, name))
      await chmod(join(parts, name), 0o600)
      files[name] = await checksum(join(parts, name))
    }
    const manifest = newManifest({ ...about, files })
    const packed = join(parts, 'backup')
    await pack(packed, parts, manifest)
    await chmod(packed, 0o600)
    flush(packed)
    await rename(packed, file)
    flush(dirname(file))
    return manifest
  } finally {
    await rm(parts, { recursive: true, force: true })
  }
}

async function checksum (file: string): Promise<Manifest['files'][string]> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') }
}
