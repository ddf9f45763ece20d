import { closeSync, existsSync, openSync, readdirSync, renameSync, writeSync } from 'node:fs'
import { mkdir, rm, rmdir, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { copiesOf, storesOf, type StoreSettings } from '#stores/index.ts'
import { unpackBlobs } from './backup-blobs.ts'
import { BackupRefused, BLOBS, keptNames, readBackup, type Manifest } from './backup-file.ts'
import { withoutServer } from './claims.ts'
import { dataFolderAt, prepareDataFolder, type DataFolder } from './data-folder.ts'
import { finishRestore, flush } from './finish-restore.ts'
import { keyFileAt } from './key-file.ts'
import { sealedWith } from './sealing.ts'

/** `keyFile` is EX10_KEY_FILE. */
type Settings = StoreSettings & { keyFile?: string }

/**
 * Restores the checked backup, all of it or nothing. It is unpacked in the data folder, and checked again, with its stores open,
 * before anything is in its place. Only the files `names` of it are restored. From then on it is restored, by the next start if the command or the machine fails before.
 * @throws {BackupRefused} when the backup cannot be used @throws {ClaimRefused} when a server runs; then nothing has changed
 */
export async function restoreBackup (file: string, manifest: Manifest, folder: DataFolder, config: Settings, names = Object.keys(manifest.files)): Promise<void> {
  const { path, restoring, restored } = folder
  withoutServer(path, () => finishRestore(folder))
  await rm(restoring, { recursive: true, force: true })
  const made = await mkdir(restoring, { recursive: true, mode: 0o700 })
  try {
    await checkRoom(restoring, manifest)
    await unpack(file, folder, names)
    await unpackBlobs(dataFolderAt(restoring))
    await checkKeys(config, folder, dataFolderAt(restoring))
    await checkStores(manifest, config, dataFolderAt(restoring))
    for (const path of ['', ...readdirSync(restoring, { recursive: true, encoding: 'utf8' })]) flush(join(restoring, path))
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
  const wanted = Object.values(files).reduce((sum, { bytes }) => sum + bytes, files[BLOBS]?.bytes ?? 0) // blobs are there twice for a while
  if (wanted > bavail * bsize) throw new BackupRefused(`the disk of ${dir} has no room for the ${wanted} bytes of the backup`)
}

async function unpack (file: string, folder: DataFolder, names: readonly string[]): Promise<void> {
  const open = new Map<string, number>()
  try {
    await readBackup(file, keptNames(folder), (name, bytes) => {
      if (!names.includes(name)) return
      const descriptor = open.get(name) ?? openSync(join(folder.restoring, name), 'wx', 0o600)
      open.set(name, descriptor)
      for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    })
  } finally {
    for (const descriptor of open.values()) closeSync(descriptor)
  }
}

/** Checks that the key of what is sealed is there. A key file in the backup takes the place of a missing one, and of no other. */
async function checkKeys (config: Settings, folder: DataFolder, at: DataFolder): Promise<void> {
  const inPlace = config.keyFile || folder.masterKeys
  const path = existsSync(inPlace) || config.keyFile ? inPlace : at.masterKeys
  if (path === inPlace) await rm(at.masterKeys, { force: true })
  if (!existsSync(at.records)) return
  const records = await (await storesOf(config, at)).openRecords()
  const wanted = await sealedWith(records).finally(() => records.close())
  if (wanted === undefined || keyFileAt(path)?.find(wanted)) return
  throw new BackupRefused(`what is in the backup is sealed with the key ${wanted}, which ${inPlace} does not hold: put the file that holds it there first, or restore the rest with --without-sealed`)
}

/** Checks that each file is a whole database, and that this version can use it as its store. Notes the restoration in the audit log. */
async function checkStores ({ files, madeAt, version }: Manifest, config: StoreSettings, at: DataFolder): Promise<void> {
  for (const name of Object.keys(files).filter(name => at.databases().includes(name))) {
    const why = copiesOf(config.store)?.whyUnsound(join(at.path, name))
    if (why) throw new BackupRefused(`${name} in the backup cannot be used: ${why}`)
  }
  const there = at.databases()
  const stores = await storesOf(config, at)
  if (there.includes(basename(at.keys))) await (await stores.openKeys()).close()
  if (there.includes(basename(at.statistics))) await (await stores.openStatistics()).close()
  if (!there.includes(basename(at.auditLog))) return
  const auditLog = await stores.openAuditLog()
  await auditLog.append({ user: 'terminal', action: 'backup.restored', details: { madeAt, version } })
  await auditLog.close()
}
