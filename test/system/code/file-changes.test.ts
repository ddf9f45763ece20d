import { createHash } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { listHome, makeHome, own, startWriter, type Change, type Writer } from '#support/code/file-writer.ts'

const hash = (content: string) => createHash('sha256').update(content).digest('hex')
const SYNC = { sync: true, keep: ['.git'] }

/** Writes files below the extension, by their paths. */
function fill (home: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(`${home}/extension/${path}`.replace(/\/[^/]*$/, ''), { recursive: true })
    writeFileSync(`${home}/extension/${path}`, content)
  }
  own(home)
}

t.test('a folder whose last file is deleted goes, one that was empty before stays, and so does the extension\'s own', async t => {
  const home = makeHome(t)
  fill(home, { 'a/b/c.js': 'x', 'a/b/d.js': 'x', 'a/e.js': 'x', 'f/g.js': 'x' })
  mkdirSync(`${home}/extension/empty`)
  own(home)
  chmodSync(`${home}/extension/f`, 0o750)
  const writer = startWriter(t, home)
  t.match(await writer.push([{ path: 'a/b/c.js', delete: true }]), { ok: true, deleted: 1 })
  t.ok(existsSync(`${home}/extension/a/b`), 'there is another file')
  t.match(await writer.push([{ path: 'a/b/d.js', delete: true }, { path: 'a/e.js', delete: true }]), { ok: true, deleted: 2 })
  t.strictSame(listHome(home), ['extension 40755 ', 'extension/empty 40755 ', 'extension/f 40750 ', 'extension/f/g.js 100644 x'])
  const inode = statSync(`${home}/extension/f`).ino
  t.match(await writer.push([{ path: 'f/g.js', delete: true }, { path: 'f/h.js', content: 'y' }]), { ok: true, made: 1, written: 1, deleted: 1 })
  t.equal(statSync(`${home}/extension/f`).ino, inode, 'a folder that gets another file is not made anew')
  t.match(await writer.push([{ path: 'f/h.js', delete: true }, { path: 'x', content: '' }, { path: 'x/y', content: '' }]), { error: 'PATH_NOT_DIRECTORY' }, 'a push that fails')
  t.strictSame(listHome(home).filter(line => line.startsWith('extension/f')), ['extension/f 40750 ', 'extension/f/h.js 100644 y'], 'brings back the folder that it had removed, as it was')
  t.match(await writer.push([{ path: 'f/h.js', delete: true }]), { ok: true })
  t.strictSame(listHome(home), ['extension 40755 ', 'extension/empty 40755 '])
})

t.test('deleting what is not there is an error, unless it is said that it may be missing', async t => {
  const home = makeHome(t)
  fill(home, { 'a.js': 'x' })
  symlinkSync('a.js', `${home}/extension/link`)
  own(home)
  const writer = startWriter(t, home)
  const changes: Change[] = ['no.js', 'no/no.js', 'a.js/no.js'].map(path => ({ path, delete: true }))
  for (const change of changes) {
    t.match(await writer.push([change]), { error: change.path.startsWith('a') ? 'PATH_NOT_DIRECTORY' : 'PATH_NOT_FOUND' }, change.path)
    t.match(await writer.push([{ ...change, ifExists: true }]), { ok: true, deleted: 0 }, change.path)
  }
  for (const path of ['link', 'link/x']) t.match(await writer.push([{ path, delete: true, ifExists: true }]), { error: 'PATH_SYMLINK' }, path)
  t.match(await writer.push([{ path: 'a.js', delete: true, ifExists: true }]), { ok: true, deleted: 1 })
})

t.test('a change is made only if the file is what it is said to be', async t => {
  const home = makeHome(t)
  fill(home, { 'a.js': 'old' })
  const writer = startWriter(t, home)
  const [old, other] = [hash('old'), hash('other')]
  const refused: Change[] = [{ path: 'a.js', ifMatch: [other] }, { path: 'a.js', ifMatch: [] }, { path: 'a.js', ifNoneMatch: '*' }, { path: 'a.js', ifNoneMatch: [other, old] }, { path: 'no.js', ifMatch: '*' }, { path: 'no.js', ifMatch: [old] }]
  for (const change of refused) {
    const shown = JSON.stringify(change)
    t.strictSame(await writer.push([{ path: 'b.js', content: 'x' }, { ...change, content: 'new' }]), { error: 'PRECONDITION_FAILED', path: change.path }, shown)
    t.strictSame(await writer.push([{ ...change, delete: true }]), { error: 'PRECONDITION_FAILED', path: change.path }, shown)
  }
  t.strictSame(listHome(home), ['extension 40755 ', 'extension/a.js 100644 old'])
  const done: Change[] = [{ path: 'a.js', ifMatch: [other, old] }, { path: 'a.js', ifMatch: '*' }, { path: 'a.js', ifNoneMatch: [other] }, { path: 'no.js', ifNoneMatch: '*' }, { path: 'no2.js', ifNoneMatch: [old] }]
  for (const change of done) t.match(await writer.push([{ ...change, content: 'old' }]), { ok: true, written: 1 }, JSON.stringify(change))
  t.match(await writer.push([{ path: 'a.js', ifMatch: [old], delete: true }]), { ok: true, deleted: 1 })
})

/** What stands where a sync writes and where it does not, in every form. */
function seed (home: string): void {
  fill(home, { 'same.js': 'same', 'changed.js': 'old', 'gone.js': 'x', 'deep/er/gone.js': 'x', 'deep/stays.js': 'old', 'file-to-folder': 'x', 'folder-to-file/a/b.js': 'x', '.git/HEAD': 'ref', 'lib/.git/HEAD': 'ref' })
  writeFileSync(`${home}/outside.js`, 'outside')
  mkdirSync(`${home}/elsewhere`)
  writeFileSync(`${home}/elsewhere/x.js`, 'elsewhere')
  symlinkSync('../elsewhere', `${home}/extension/linked`)
  symlinkSync('../outside.js', `${home}/extension/link-to-file`)
  mkdirSync(`${home}/extension/empty/inner`, { recursive: true })
  own(home)
  chmodSync(`${home}/extension/changed.js`, 0o600)
  chmodSync(`${home}/extension/folder-to-file`, 0o711)
}

const ALL: Change[] = [
  { path: 'same.js', content: 'same' }, { path: 'changed.js', content: 'new' }, { path: 'deep/stays.js', content: 'new' }, { path: 'file-to-folder/inner.js', content: 'inner' },
  { path: 'folder-to-file', content: 'file' }, { path: 'linked/x.js', content: 'real' }, { path: 'link-to-file', content: 'real' }, { path: 'added/new.js', content: 'new' }
]
const AFTER = ['elsewhere 40755 ', 'elsewhere/x.js 100644 elsewhere', 'extension 40755 ',
  'extension/.git 40755 ', 'extension/.git/HEAD 100644 ref', 'extension/added 40755 ', 'extension/added/new.js 100644 new', 'extension/changed.js 100600 new', 'extension/deep 40755 ',
  'extension/deep/stays.js 100644 new', 'extension/file-to-folder 40755 ', 'extension/file-to-folder/inner.js 100644 inner', 'extension/folder-to-file 100644 file', 'extension/lib 40755 ',
  'extension/lib/.git 40755 ', 'extension/lib/.git/HEAD 100644 ref', 'extension/link-to-file 100644 real', 'extension/linked 40755 ', 'extension/linked/x.js 100644 real', 'extension/same.js 100644 same',
  'outside.js 100644 outside']

t.test('after a sync, the folder holds what was named and nothing else, whatever stood there before; outside, nothing changes', async t => {
  const home = makeHome(t)
  seed(home)
  utimesSync(`${home}/extension/same.js`, 1000, 1000)
  const writer = startWriter(t, home)
  t.match(await writer.push(ALL, SYNC), { ok: true, written: 7, made: 4 })
  t.strictSame(listHome(home), AFTER)
  t.equal(statSync(`${home}/extension/same.js`).mtimeMs, 1_000_000, 'what had its content already is left alone')
  t.strictSame(await writer.push(ALL, SYNC), { ok: true, made: 0, written: 0, deleted: 0 }, 'a second one changes nothing')
  t.match(await writer.push([...ALL, { path: 'lib/.git/config', content: 'x' }], { sync: true, keep: ['.*'] }), { ok: true, made: 1, deleted: 1 }, 'a folder to keep of which a file is named is as any other')
  t.match(await writer.push([{ path: 'x.js', content: 'x' }], { sync: true, keep: [] }), { ok: true })
  t.strictSame(listHome(home).filter(line => line.startsWith('extension/')), ['extension/x.js 100644 x'], 'with nothing to keep, nothing is kept')
})

t.test('a sync that is killed at any moment has happened or has not, once the program starts again', { timeout: 120_000 }, async t => {
  const before = seeded(t, home => listHome(home))
  let halfWay = 0
  for (let round = 0; round < 12; round++) {
    const home = seeded(t, home => home)
    const killed = startWriter(t, home, ['nice', '-n', '5'])
    await killedWhen(killed, home, round)
    const left = listHome(home).filter(line => !line.startsWith('.ex10-push/'))
    if (left.join() !== before.join() && left.join() !== AFTER.join()) halfWay++
    t.match(await startWriter(t, home).push([]), { ok: true }, 'started again')
    const found = listHome(home)
    t.strictSame(found, found.includes('extension/gone.js 100644 x') ? before : AFTER, `round ${round}`)
  }
  t.ok(halfWay >= 2, `control: ${halfWay} of 12 kills left a sync half-way`)
})

function seeded<T> (t: Test, look: (home: string) => T): T {
  const home = makeHome(t)
  seed(home)
  return look(home)
}

/** Kills the program during the sync of ALL, when one more thing has changed than in the round before. */
async function killedWhen (writer: Writer, home: string, round: number): Promise<void> {
  const signs = ['extension/gone.js', 'extension/deep/er/gone.js', 'extension/linked', 'extension/folder-to-file/a/b.js', 'extension/folder-to-file/a', 'extension/empty', '.ex10-push/new-0', '.ex10-push/new-3', '.ex10-push/new-5', '.ex10-push/old-0']
  const over = writer.push(ALL, SYNC).then(() => true)
  while (!existsSync(`${home}/.ex10-push/journal`) && !await Promise.race([over, setImmediate(false)])) { /* a file system has no event for it */ }
  while (existsSync(`${home}/.ex10-push/journal`) && existsSync(`${home}/${signs[round % signs.length]}`)) { /* likewise, and as close as can be */ }
  writer.kill()
  await writer.ended
}

t.test('what a transfer has staged is taken whole, and only regular files', async t => {
  const home = makeHome(t)
  fill(home, { 'big.bin': 'old', 'same.bin': 'same' })
  mkdirSync(`${home}/.ex10-transfer/one`, { recursive: true })
  const stage = (name: string, content: string) => writeFileSync(`${home}/.ex10-transfer/one/${name}`, content)
  stage('0', 'new')
  stage('1', 'same')
  symlinkSync('/etc/passwd', `${home}/.ex10-transfer/one/2`)
  own(home)
  chmodSync(`${home}/extension/big.bin`, 0o640)
  const writer = startWriter(t, home)
  const before = listHome(home).filter(line => line.startsWith('extension'))
  for (const staged of ['2', '3', '../../outside']) t.match(await writer.push([{ path: 'big.bin', staged: '0' }, { path: 'x', staged }], { transfer: 'one' }), { error: /./ }, staged)
  t.match(await writer.push([{ path: 'big.bin', staged: '0' }], { transfer: 'none' }), { error: 'WRITER_FAILED' }, 'a transfer that is not there')
  t.strictSame(listHome(home).filter(line => line.startsWith('extension')), before, 'nothing has changed')
  stage('0', 'new') // it was taken, and lost when that push was undone
  own(home)
  chmodSync(`${home}/extension/big.bin`, 0o640)
  t.match(await writer.push([{ path: 'big.bin', staged: '0' }, { path: 'same.bin', staged: '1' }], { ...SYNC, transfer: 'one' }), { ok: true, written: 1 })
  t.strictSame(listHome(home).filter(line => line.startsWith('extension')), ['extension 40755 ', 'extension/big.bin 100640 new', 'extension/same.bin 100644 same'])
})

t.test('a file that has another name outside is replaced, and not written to', async t => {
  const home = makeHome(t)
  const outside = mkdtempSync(`${home}/outside-`)
  writeFileSync(`${outside}/x`, 'old')
  linkSync(`${outside}/x`, `${home}/extension/x`)
  own(home)
  t.match(await startWriter(t, home).push([{ path: 'x', content: 'new' }], SYNC), { ok: true })
  t.strictSame([readFileSync(`${outside}/x`, 'utf8'), readFileSync(`${home}/extension/x`, 'utf8')], ['old', 'new'])
  rmSync(outside, { recursive: true })
})
