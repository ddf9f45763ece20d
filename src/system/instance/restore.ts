import { closeSync, openSync, renameSync, writeSync } from 'node:fs'
import { mkdir, rm, rmdir, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { copiesOf, storesOf, type StoreSettings } from '#stores/index.ts'
import { BackupRefused, keptNames, readBackup, type Manifest } from './backup-file.ts'
import { withoutServer } from './claims.ts'
import { dataFolderAt, prepareDataFolder, type DataFolder } from './data-folder.ts'
import { finishRestore, flush } from './finish-restore.ts'

/**
 * Restores the checked backup, all of it or nothing. It is unpacked in the data folder, and checked again, with its stores open,
 * before anything is in its place. From then on it is restored, by the next start if the command or the machine fails before.
 * @throws {BackupRefused} when the backup cannot be used @throws {ClaimRefused} when a server runs; then nothing has changed
 */
export async function restoreBackup (file: string, manifest: Manifest, folder: DataFolder, config: StoreSettings): Promise<void> {
  const { path, restoring, restored } = folder
  withoutServer(path, () => finishRestore(folder))
  await rm(restoring, { recursive: true, force: true })
  const made = await mkdir(restoring, { recursive: true, mode: 0o700 })
  try {
    await checkRoom(restoring, manifest)
    await unpack(file, folder)
    await checkStores(manifest, config, dataFolderAt(restoring))
    for (const path of [...Object.keys(manifest.files).map(name => join(restoring, name)), restoring]) flush(path)
    await prepareDataFolder(folder)
  } catch (error) {
    await rm(restoring, { recursive: true, force: true })
    if (made !== undefined) await removeEmpty(dirname(restoring), made)
    throw error
  }
  withoutServer(path, () => {
    renameSync(restoring, restored)
    finishRestore(folder)
  })
}

/** Removes the folder and those around it, up to `top`, as long as they are empty: a program that has begun meanwhile may use them. */
async function removeEmpty (folder: string, top: string): Promise<void> {
  for (let path = folder; path.startsWith(top); path = dirname(path)) {
    try {
      await rmdir(path)
    } catch {
      return
    }
  }
}

async function checkRoom (dir: string, { files }: Manifest): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  const wanted = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)
  if (wanted > bavail * bsize) throw new BackupRefused(`the disk of ${dir} has no room for the ${wanted} bytes of the backup`)
}

async function unpack (file: string, folder: DataFolder): Promise<void> {
  const open = new Map<string, number>()
  try {
    await readBackup(file, keptNames(folder), (name, bytes) => {
      const descriptor = open.get(name) ?? openSync(join(folder.restoring, name), 'wx', 0o600)
      open.set(name, descriptor)
      for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    })
  } finally {
    for (const descriptor of open.values()) closeSync(descriptor)
  }
}

/** Checks that each file is a whole database, and that this version can use it as its store. Notes the restoration in the audit log. */
async function checkStores ({ files, madeAt, version }: Manifest, config: StoreSettings, at: DataFolder): Promise<void> {
  for (const name of Object.keys(files)) {
    const why = copiesOf(config.store)?.whyUnsound(join(at.path, name))
    if (why) throw new BackupRefused(`${name} in the backup cannot be used: ${why}`)
  }
  const there = at.databases()
  const stores = storesOf(config, at)
  if (there.includes(basename(at.keys))) await (await stores.openKeys()).close()
  if (there.includes(basename(at.statistics))) await (await stores.openStatistics()).close()
  if (!there.includes(basename(at.auditLog))) return
  const auditLog = await stores.openAuditLog()
  await auditLog.append({ user: 'terminal', action: 'backup.restored', details: { madeAt, version } })
  await auditLog.close()
}
