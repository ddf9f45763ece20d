import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Blobs } from '#domain/storage/blobs.ts'
import { Records } from '#domain/storage/records.ts'
import { keptNames, readBackup } from '#system/instance/backup-file.ts'
import { unpackBlobs } from '#system/instance/backup-blobs.ts'
import { claimInstance } from '#system/instance/claims.ts'
import { dataFolderAt, prepareDataFolder, type DataFolder } from '#system/instance/data-folder.ts'
import { restoreBackup } from '#system/instance/restore.ts'
import { KeyFile, makeKeyFile } from '#system/instance/key-file.ts'
import { openSealer } from '#system/instance/sealing.ts'
import { openRecords } from '#stores/memory/records.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'
import { storesOf } from '#stores/index.ts'
import { NODE_COMPILE_CACHE, TEST_DATA } from '#support/servers/server.ts'

interface Ran { code: unknown, stdout: string, stderr: string }

/** `npm run backup` or `npm run restore`, for this data folder. */
function command (name: 'backup' | 'restore', { path }: DataFolder, ...words: string[]): Promise<Ran> {
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE, EX10_DATA_DIR: path }
  return new Promise(resolve => execFile(process.execPath, [`bin/${name}.mjs`, ...words], { env }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr })))
}

const openStores = (folder: DataFolder) => storesOf({ store: 'sqlite' }, folder)

/** A place with a data folder in which each store has something, another folder that is not there yet, and anna's key. */
async function place (t: Test) {
  const dir = mkdtempSync(`${TEST_DATA}/backup-`)
  chmodSync(dir, 0o711)
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const folder = dataFolderAt(`${dir}/data`)
  await prepareDataFolder(folder)
  const stores = await openStores(folder)
  const [keys, auditLog, statistics] = [await stores.openKeys(), await stores.openAuditLog(), await stores.openStatistics()]
  const { secret } = await keys.create({ user: 'anna', role: 'user', scopes: ['create'] })
  await auditLog.append({ user: 'terminal', action: 'key.created', target: 'x' })
  await statistics.count('created', 'anna', 1)
  for (const store of [keys, auditLog, statistics]) await store.close()
  return { dir, folder, empty: dataFolderAt(`${dir}/empty`), file: `${dir}/backup.tar.gz`, secret }
}

async function userOf (folder: DataFolder, secret: string): Promise<string | undefined> {
  const keys = await (await openStores(folder)).openKeys()
  const key = await keys.find(secret)
  await keys.close()
  return key?.user
}

/** Puts the key file in place, as an operator does who kept a copy. */
function giveKey (from: DataFolder, to: DataFolder): void {
  mkdirSync(to.path, { recursive: true, mode: 0o711 })
  copyFileSync(from.masterKeys, to.masterKeys)
}

/** Seals a record and a blob there. */
async function sealIn (folder: DataFolder): Promise<void> {
  const [records, blobs] = [await (await openStores(folder)).openRecords(), await folderBlobs(folder.blobs)]
  const sealer = await openSealer(folder.masterKeys, records)
  await new Records(records, sealer).write('preferences/user:anna', [{ key: 'theme', value: 'marker' }])
  await new Blobs(blobs, sealer).put('session', 'blob', Buffer.from('marker'))
  await records.close()
}

/** The record and the blob that were sealed. */
async function sealedIn (folder: DataFolder): Promise<unknown[]> {
  const [records, blobs] = [await (await openStores(folder)).openRecords(), await folderBlobs(folder.blobs)]
  const sealer = await openSealer(folder.masterKeys, records)
  const record = await new Records(records, sealer).get('preferences/user:anna', 'theme')
  const blob = await new Blobs(blobs, sealer).get('session', 'blob')
  const content = blob && await text(blob)
  await records.close()
  return [record?.value, content]
}

async function actionsIn (folder: DataFolder): Promise<string[]> {
  const auditLog = await (await openStores(folder)).openAuditLog()
  const entries = await auditLog.page({ limit: 100 })
  const broken = await auditLog.firstBroken(AbortSignal.timeout(10_000))
  await auditLog.close()
  return [...entries.map(({ action }) => action), ...broken === undefined ? [] : [`broken at ${broken}`]]
}

/** All files below `path`, with their contents. */
function contents (path: string): string[] {
  if (!existsSync(path)) return ['nothing']
  return readdirSync(path, { recursive: true, withFileTypes: true }).map(entry => {
    const file = `${entry.parentPath}/${entry.name}`
    return `${file} ${entry.isFile() ? createHash('sha256').update(readFileSync(file)).digest('hex') : ''}`
  }).sort()
}

t.test('a backup that is restored on an empty data folder lets the same people in, and has the audit log and the statistics', async t => {
  const { folder, empty, file, secret, dir } = await place(t)
  t.match(await command('backup', folder, file), { code: 0, stdout: `${file} has keys.db, audit-log.db, statistics.db of ${folder.path}\n`, stderr: '' })
  t.equal(statSync(file).mode & 0o777, 0o600, 'only root can read it')
  t.strictSame(readdirSync(dir).sort(), ['backup.tar.gz', 'data'], 'nothing else is left beside it')
  t.match(await command('restore', empty, file), { code: 0, stdout: /^keys\.db, audit-log\.db, statistics\.db of 20\S+Z are in \S+\/empty\n$/, stderr: '' })
  t.equal(await userOf(empty, secret), 'anna')
  t.equal(await userOf(empty, `${secret.slice(0, -1)}!`), undefined, 'and no other key')
  t.strictSame(await actionsIn(empty), ['backup.restored', 'key.created'], 'the log says that it was restored, and its chain is whole')
  const statistics = await (await openStores(empty)).openStatistics()
  t.match(await statistics.days(1), [{ created: 1, users: 1 }])
  await statistics.close()
  t.strictSame([...readdirSync(empty.path)].filter(name => !empty.knows(name)), [])
  t.notOk(existsSync(empty.restored) || existsSync(empty.restoring))
  t.match(await command('backup', dataFolderAt(`${dir}/nothing`), file), { code: 1, stderr: /^ex10: there is nothing to back up in / })
  t.equal((await command('restore', dataFolderAt(`${dir}/another`), file)).code, 0, 'which leaves the earlier file')
})

t.test('stores that are there are replaced with --force only, and not while a server runs', async t => {
  const { folder, file, secret } = await place(t)
  await command('backup', folder, file)
  const stores = await openStores(folder)
  const [keys, shares] = [await stores.openKeys(), await stores.openShares()]
  const { secret: later } = await keys.create({ user: 'ben', role: 'user', scopes: ['create'] }) // in the -wal file: it is not closed
  t.match(await command('restore', folder, file), { code: 1, stderr: /has keys\.db, shares\.db, audit-log\.db, statistics\.db already: --force replaces keys\.db, audit-log\.db, statistics\.db there, and leaves the rest\n$/ })
  const claim = claimInstance({ instance: `ex10backup${process.pid % 100}`, dataDir: folder.path, uidMin: 4_100_000_000, uidMax: 4_100_000_001, ports: [] })
  const before = contents(folder.path)
  t.match(await command('restore', folder, file, '--force'), { code: 1, stderr: /^ex10: instance ex10backup\d+ \(pid \d+\) runs on \S+\/data: end it first\n$/ })
  t.strictSame(contents(folder.path), before, 'nothing has changed')
  claim.release()
  t.match(await command('restore', folder, file, '--force'), { code: 0, stdout: /; replaced: keys\.db, audit-log\.db, statistics\.db\n$/ })
  await keys.close()
  await shares.close()
  t.strictSame([await userOf(folder, secret), await userOf(folder, later)], ['anna', undefined], 'the backup\'s keys, without what was written since')
  t.ok(existsSync(folder.shares), 'links stay')
})

t.test('state and contents are in a backup, sealed and without their key; with the key file in place they are restored', async t => {
  const { folder, empty, file, dir, secret } = await place(t)
  await sealIn(folder)
  const saved = await command('backup', folder, file)
  t.match(saved, { code: 0, stdout: /has keys\.db, audit-log\.db, statistics\.db, records\.db, blobs\.tar of .*\nIt has no key: what is sealed in it can be read only with \S+\/master-keys\n$/ })
  mkdirSync(`${dir}/parts`)
  execFileSync('tar', ['-xzf', file, '-C', `${dir}/parts`])
  for (const name of readdirSync(`${dir}/parts`)) t.notOk(readFileSync(`${dir}/parts/${name}`).includes('marker'), `${name} shows nothing`)
  t.match(await command('restore', empty, file), { code: 1, stderr: /^ex10: what is in the backup is sealed with the key [0-9a-f]{16}, which \S+\/empty\/master-keys does not hold: put the file that holds it there first, or restore the rest with --without-sealed\n$/ })
  t.strictSame(contents(empty.path), ['nothing'])
  giveKey(folder, empty)
  t.match(await command('restore', empty, file), { code: 0, stderr: '' })
  t.strictSame([await sealedIn(empty), await userOf(empty, secret)], [['marker', 'marker'], 'anna'])
  t.strictSame(readdirSync(empty.path).filter(name => !empty.knows(name)), [])

  await new Blobs(await folderBlobs(empty.blobs), await openSealer('none', await openRecords())).put('later', 'blob', Buffer.from('x'))
  t.match(await command('restore', empty, file, '--force'), { code: 0 })
  t.strictSame([await sealedIn(empty), readdirSync(empty.blobs)], [['marker', 'marker'], ['session']], 'blobs that were there are replaced')
})

t.test('a backup with the key file is restored anywhere, and one whose key is lost without what is sealed', async t => {
  const { folder, empty, file, dir, secret } = await place(t)
  await sealIn(folder)
  t.match(await command('backup', folder, file, '--with-keys'), { code: 0, stdout: /, master-keys of \S+\n$/ })
  t.match(await command('restore', empty, file), { code: 0, stderr: '' })
  t.strictSame([await sealedIn(empty), statSync(empty.masterKeys).mode & 0o777], [['marker', 'marker'], 0o600])
  const other = dataFolderAt(`${dir}/other`)
  mkdirSync(other.path)
  const own = makeKeyFile(other.masterKeys).newest().id
  t.match(await command('restore', other, file), { code: 1, stderr: /does not hold/ }, 'another key in place is not replaced')
  t.match(await command('restore', other, file, '--without-sealed'), { code: 0, stdout: /^keys\.db, audit-log\.db, statistics\.db of / })
  t.strictSame([await userOf(other, secret), existsSync(other.records), existsSync(other.blobs), new KeyFile(other.masterKeys).newest().id], ['anna', false, false, own])
})

t.test('packed blobs that are anything but blobs are refused', async t => {
  const { dir } = await place(t)
  const at = dataFolderAt(`${dir}/at`)
  mkdirSync(`${dir}/blobs/session`, { recursive: true })
  writeFileSync(`${dir}/blobs/session/id`, 'x')
  symlinkSync('/etc/passwd', `${dir}/blobs/session/link`)
  for (const words of [['blobs/session/link'], ['blobs/session/id', '--transform=s,^blobs/session/id,../outside,'], ['blobs/session/id', '--transform=s,^blobs/session/id,keys.db,'], ['blobs/session/id', '--transform=s,/id,/.new-1,'], ['blobs/session/id', '--transform=s,/id,/a/b,'], ['blobs/session/id', '--transform=s,^,/,']]) {
    mkdirSync(at.path)
    execFileSync('tar', ['-cf', `${at.path}/blobs.tar`, '-C', dir, '--absolute-names', ...words])
    await t.rejects(unpackBlobs(at), { name: 'BackupRefused', message: /^blobs\.tar in the backup holds / }, words.join(' '))
    t.strictSame([readdirSync(at.path).sort(), readdirSync(dir).includes('outside')], [['blobs', 'blobs.tar'], false])
    rmSync(at.path, { recursive: true })
  }
})

t.test('a restoration that was cut off when the backup was complete goes on at the next start', async t => {
  const { folder, empty, file, secret } = await place(t)
  await command('backup', folder, file)
  await command('restore', empty, file)
  mkdirSync(empty.restored)
  for (const name of ['keys.db', 'audit-log.db']) renameSync(`${empty.path}/${name}`, `${empty.restored}/${name}`)
  writeFileSync(`${empty.keys}-wal`, 'of the database before')
  await prepareDataFolder(empty)
  t.equal(await userOf(empty, secret), 'anna')
  t.notOk(existsSync(empty.restored))
})

t.test('a damaged or hostile file is refused in one line, with nothing changed and nothing made', async t => {
  const { folder, empty, file, dir } = await place(t)
  await command('backup', folder, file)
  const parts = `${dir}/parts`
  mkdirSync(parts)
  execFileSync('tar', ['-xzf', file, '-C', parts])
  const manifest = JSON.parse(readFileSync(`${parts}/manifest.json`, 'utf8'))
  symlinkSync('/etc/passwd', `${parts}/link`)
  writeFileSync(`${parts}/empty.db`, '')
  let count = 0
  /** A file that tar makes of these words, and of a manifest with the changes. */
  const forged = (words: string[], changes: object = {}) => {
    writeFileSync(`${parts}/manifest.json`, JSON.stringify({ ...manifest, ...changes }))
    const made = `${dir}/forged-${count++}`
    execFileSync('tar', ['-czf', made, '-C', parts, '--absolute-names', ...words])
    return made
  }
  const copy = (change: (bytes: Buffer) => Buffer) => {
    const made = `${dir}/copy-${count++}`
    const bytes = readFileSync(file)
    writeFileSync(made, change(bytes))
    return made
  }
  const all = ['manifest.json', 'keys.db', 'audit-log.db', 'statistics.db']
  const noDatabase = Buffer.alloc(manifest.files['keys.db'].bytes, 'x')
  const other = { bytes: noDatabase.length, sha256: createHash('sha256').update(noDatabase).digest('hex') }
  mkdirSync(`${parts}/other`)
  writeFileSync(`${parts}/other/keys.db`, noDatabase)
  const table: [string, string, RegExp][] = [
    ['cut off', copy(bytes => bytes.subarray(0, bytes.length / 2)), /damaged/],
    ['a byte is another one', copy(bytes => bytes.fill(bytes[bytes.length >> 1]! ^ 1, bytes.length >> 1, (bytes.length >> 1) + 1)), /damaged/],
    ['empty', copy(() => Buffer.alloc(0)), /./],
    ['not packed', copy(() => Buffer.from('text')), /./],
    ['a file is missing', forged(all.slice(0, 3)), /statistics\.db is missing/],
    ['without a manifest', forged(all.slice(1)), /its first file is not manifest\.json/],
    ['a file of another name', forged([...all, 'empty.db']), /holds a File "empty\.db"/],
    ['a name that the manifest has, too', forged([...all, 'empty.db'], { files: { ...manifest.files, 'cookie-secret': other } }), /holds "cookie-secret"/],
    ['a path that leads elsewhere', forged([...all, '--transform=s,^link$,/etc/cron.d/x,', 'link']), /holds a SymbolicLink/],
    ['a link in place of a file', forged(['manifest.json', '--transform=s,^link$,keys.db,', 'link']), /holds a SymbolicLink "keys\.db"/],
    ['a file twice', forged([...all, 'keys.db']), /holds a (File|Link) "keys\.db"/],
    ['another checksum', forged(all, { files: { ...manifest.files, 'keys.db': { ...manifest.files['keys.db'], sha256: '0'.repeat(64) } } }), /checksum is another one/],
    ['another size', forged(all, { files: { ...manifest.files, 'keys.db': { ...manifest.files['keys.db'], bytes: 1 } } }), /another size/],
    ['a later format', forged(all, { format: 2 }), /a format that this version does not know/],
    ['a manifest of another form', forged(all, { files: [] }), /malformed/],
    ['a file that is no database, with its checksum', forged(['manifest.json', '--transform=s,^other/,,', 'other/keys.db'], { files: { 'keys.db': other } }), /keys\.db in the backup cannot be used: file is not a database/]
  ]
  const before = contents(folder.path)
  const restore = async (to: DataFolder, forged: string) => restoreBackup(forged, await readBackup(forged, keptNames(to)), to, { store: 'sqlite' })
  for (const [what, forged, message] of table) {
    await t.rejects(restore(empty, forged), { name: 'BackupRefused', message }, what)
    await t.rejects(restore(empty, forged), { message: /^[^\n]+$/ }, 'in one line')
  }
  t.strictSame(contents(empty.path), ['nothing'], 'no data folder was made')
  t.match(await command('restore', folder, table.at(-1)![1], '--force'), { code: 1, stderr: /^ex10: [^\n]*\n$/ })
  t.strictSame(contents(folder.path), before, 'and one that was there is as before')
  truncateSync(file, 0)
  t.match(await command('restore', folder, `${dir}/none`, '--force'), { code: 1, stderr: /there is no file / })
})
