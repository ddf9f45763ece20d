import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { listHome, makeHome, own, request, startWriter, type Change, type Writer } from '#support/code/file-writer.ts'

const FILES = 120
const MODES = [0o600, 0o644, 0o755, 0o440]

/** Files to replace, to delete and to leave alone, of several modes. */
function seed (home: string): void {
  for (const kind of ['replaced', 'deleted', 'kept']) {
    mkdirSync(`${home}/extension/${kind}`)
    for (let index = 0; index < FILES; index++) writeFileSync(`${home}/extension/${kind}/${index}.js`, `${kind} ${index}: old`, { mode: MODES[index % MODES.length]! })
  }
  own(home)
}

/** Replaces and deletes what `seed` made, and adds as many files in folders that are not there. */
const bigPush: Change[] = Array.from({ length: FILES }, (_, index) => [
  { path: `replaced/${index}.js`, content: `new ${index}` },
  { path: `added/${index % 7}/deep/${index}.js`, content: `added ${index}` },
  { path: `deleted/${index}.js`, delete: true as const }
]).flat()

t.test('a push of ten files is done as a whole or not at all', async t => {
  const home = makeHome(t)
  writeFileSync(`${home}/extension/old.js`, 'old')
  symlinkSync('/etc', `${home}/extension/link`)
  own(home)
  const writer = startWriter(t, home)
  const ten: Change[] = Array.from({ length: 9 }, (_, index) => ({ path: `folder-${index % 3}/${index}.js`, content: `content ${index}` }))
  const before = listHome(home)
  t.strictSame(await writer.push([...ten, { path: 'old.js', content: 'new' }, { path: 'link/passwd', content: 'x' }]), { error: 'PATH_SYMLINK', path: 'link/passwd' }, 'one path leads through a link')
  t.strictSame(listHome(home), before, 'nothing was written')
  t.match(await writer.push([{ path: 'old.js', delete: true }, { path: 'a', content: 'a file' }, ...ten, { path: 'a/b/c.js', content: 'below it' }]), { error: 'PATH_NOT_DIRECTORY' }, 'two paths exclude each other')
  t.strictSame(listHome(home), before, 'what was half done is undone, new folders too')

  t.strictSame(await writer.push([...ten, { path: 'old.js', delete: true }]), { ok: true, made: 9, written: 9, deleted: 1 }, 'control: without them it is done')
  const after = listHome(home)
  for (const { path, content } of ten) t.ok(after.includes(`extension/${path} 100644 ${content}`), path)
  t.notOk(existsSync(`${home}/extension/old.js`), 'and the deleted file is gone')
})

t.test('a push that is killed at any moment has happened or has not, once the program starts again', { timeout: 240_000 }, async t => {
  const [before, after] = await rehearse(t)
  let halfWay = 0
  for (let round = 0; round < 30; round++) {
    const home = makeHome(t)
    seed(home)
    const reached = Math.floor(Math.random() * FILES)
    await killedAt(startWriter(t, home, SLOWLY), home, `new-${reached * 2}`)
    const left = withoutStaging(listHome(home)).join('\n')
    if (left !== before && left !== after) halfWay++
    if (round % 2) await killedAt(startWriter(t, home, SLOWLY), home, `old-${FILES + Math.floor(Math.random() * reached) * 2}`, false)
    t.match(await startWriter(t, home).push([]), { ok: true }, 'started again')
    const found = listHome(home).join('\n')
    t.ok(found === before || found === after, `round ${round}: as ${found === after ? 'after' : 'before'} the push`)
    if (found !== before && found !== after) t.strictSame(found.split('\n').filter(line => !before.includes(line)).slice(0, 10), [], 'what was not there before')
  }
  t.ok(halfWay >= 5, `control: ${halfWay} of 30 kills left a push half-way`)
})

/** So that the test sees how far the program is before it is further. */
const SLOWLY = ['nice', '-n', '19']

/** Does the push without disturbing it: what is there before and after. */
async function rehearse (t: Test): Promise<[string, string]> {
  const home = makeHome(t)
  seed(home)
  const before = listHome(home).join('\n')
  t.match(await startWriter(t, home).push(bigPush), { ok: true }, 'control: left alone, the push is done')
  return [before, listHome(home).join('\n')]
}

/** Kills the program when this file has gone from its staging folder: in the middle of a push, or with `push` false of undoing one. */
async function killedAt (writer: Writer, home: string, file: string, push = true): Promise<void> {
  const staged = (name: string) => existsSync(`${home}/.ex10-push/${name}`)
  if (push) {
    const over = writer.push(bigPush).then(() => true)
    while (!staged('journal') && !await Promise.race([over, setImmediate(false)])) { /* a file system has no event for it */ }
  }
  while (staged('journal') && staged(file)) await setImmediate()
  writer.kill()
  await writer.ended
}

const withoutStaging = (lines: string[]) => lines.filter(line => !line.startsWith('.ex10-push/'))

t.test('on a full disk nothing is written, what was there stays, and there is room again for what fits', async t => {
  const home = makeHome(t)
  const small = ['unshare', '--mount', '--', 'sh', '-c',
    'mount -t tmpfs -o size=1m,nr_inodes=20,mode=700 tmpfs "$0" && mkdir "$0/extension" && echo old >"$0/extension/a.js" && chmod 640 "$0/extension/a.js" && chown -R 64124:64124 "$0" && exec "$@"', home]
  const writer = startWriter(t, home, small)
  t.match(await writer.push([]), { ok: true }, 'it runs')
  const seen = `/proc/${writer.pid}/root${home}`
  const before = listHome(seen)
  t.strictSame(before, ['extension 40755 ', 'extension/a.js 100640 old\n'], 'control: the small disk is the home')
  const fits = { path: 'a.js', content: 'new' }
  t.match(await writer.push([fits, { path: 'big.js', content: Buffer.alloc(2 << 20) }]), { error: 'DISK_FULL' }, 'no room for the content')
  t.strictSame(listHome(seen), before, 'all is as it was')
  t.match(await writer.push([fits, { path: '1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17.js', content: 'x' }]), { error: 'DISK_FULL' }, 'no room for one more folder')
  t.strictSame(listHome(seen), before, 'all is as it was')
  t.match(await writer.push([fits, ...Array.from({ length: 30 }, (_, index) => ({ path: `${index}.js`, content: 'x' }))]), { error: 'DISK_FULL' }, 'no room for as many files')
  t.strictSame(listHome(seen), before, 'all is as it was')
  t.match(await writer.push([{ ...fits, content: Buffer.alloc(300_000) }]), { ok: true }, 'what fits is written')
  t.match(await writer.push([fits]), { ok: true }, 'and replaced again')
  t.strictSame(listHome(seen), ['extension 40755 ', 'extension/a.js 100640 new'], 'with the permissions that it had')
})

t.test('what is no regular file below real folders is refused with the reason, and nothing changes', async t => {
  const home = makeHome(t)
  const at = `${home}/extension`
  mkdirSync(`${home}/elsewhere`)
  mkdirSync(`${at}/folder/inner`, { recursive: true })
  writeFileSync(`${at}/file.js`, 'a file')
  writeFileSync(`${home}/elsewhere/file.js`, 'another')
  symlinkSync('file.js', `${at}/link.js`)
  symlinkSync('nowhere', `${at}/dangling.js`)
  symlinkSync('/etc/passwd', `${at}/passwd`)
  symlinkSync('../elsewhere', `${at}/out`)
  symlinkSync('folder', `${at}/round`)
  execFileSync('mkfifo', [`${at}/fifo`])
  execFileSync('python3', ['-c', 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', `${at}/socket`])
  execFileSync('mknod', [`${at}/device`, 'c', '1', '3'])
  own(home)
  const before = listHome(home)
  const writer = startWriter(t, home)
  const refused: Record<string, string> = {
    'link.js': 'PATH_SYMLINK',
    'dangling.js': 'PATH_SYMLINK',
    passwd: 'PATH_SYMLINK',
    out: 'PATH_SYMLINK',
    'out/file.js': 'PATH_SYMLINK',
    'out/new/file.js': 'PATH_SYMLINK',
    'round/inner/new.js': 'PATH_SYMLINK',
    fifo: 'PATH_NOT_REGULAR',
    socket: 'PATH_NOT_REGULAR',
    device: 'PATH_NOT_REGULAR',
    folder: 'PATH_IS_DIRECTORY',
    'folder/inner': 'PATH_IS_DIRECTORY',
    'file.js/below.js': 'PATH_NOT_DIRECTORY',
    'fifo/below.js': 'PATH_NOT_DIRECTORY',
    ['n'.repeat(256)]: 'PATH_TOO_LONG'
  }
  for (const [path, error] of Object.entries(refused)) {
    for (const change of [{ path, content: 'x' }, { path, delete: true as const }]) {
      t.strictSame(await writer.push([{ path: 'innocent.js', content: 'x' }, change]), { error, path }, `${change.delete ? 'delete' : 'write'} ${path.slice(0, 40)}`)
    }
  }
  for (const path of ['missing.js', 'missing/file.js']) t.strictSame(await writer.push([{ path, delete: true }]), { error: 'PATH_NOT_FOUND', path }, `delete ${path}`)
  t.strictSame(listHome(home), before, 'nothing was written anywhere')
  t.match(await writer.push([{ path: 'folder/inner/file.js', content: 'x' }, { path: 'file.js', delete: true }]), { ok: true }, 'control: a good push goes through')
})

t.test('a replaced file keeps its permissions, and a new one can be read by all', async t => {
  const home = makeHome(t)
  for (const mode of [0o600, 0o640, 0o755, 0o444]) writeFileSync(`${home}/extension/${mode.toString(8)}`, 'old')
  own(home)
  for (const mode of [0o600, 0o640, 0o755, 0o444]) chmodSync(`${home}/extension/${mode.toString(8)}`, mode)
  const changes = [...['600', '640', '755', '444'].map(path => ({ path, content: 'new' })), { path: 'made/new', content: 'new' }]
  t.match(await startWriter(t, home).push(changes), { ok: true }, 'the push is done')
  t.strictSame(listHome(home), ['extension 40755 ', 'extension/444 100444 new', 'extension/600 100600 new', 'extension/640 100640 new', 'extension/755 100755 new', 'extension/made 40755 ', 'extension/made/new 100644 new'], 'permissions and contents')
})

t.test('a request that makes no sense is answered or ends the program; nothing hangs, and nothing is written', async t => {
  const home = makeHome(t)
  own(home)
  const good = { path: 'good.js', content: 'eA==' }
  const senseless = ['', 'null', '7', '[]', '{', '{}', '"text"', '\x00\x01', '[[[[', 'a'.repeat(1 << 20), JSON.stringify({ base: 'extension' }), JSON.stringify({ base: 'extension', files: 7 }),
    ...[null, 7, {}, { path: 7 }, { path: 'x.js' }, { path: 'x.js', content: 7 }, { path: 'x.js', content: 'a' }, { path: 'x.js', content: 'é' }, { path: 'x\0.js', content: '' }, { path: '\ud800', content: '' }]
      .map(file => JSON.stringify({ base: 'extension', files: [good, file] }))]
  let writer = startWriter(t, home)
  for (const line of senseless) {
    const answer = await writer.ask(line)
    t.not(answer?.ok, true, JSON.stringify(line.slice(0, 80)))
    if (!answer) writer = startWriter(t, home)
    t.match(await writer.ask(JSON.stringify({ base: 'extension', files: [] })), { ok: true }, 'the next request is answered')
    t.strictSame(listHome(home), ['extension 40755 '], 'nothing was written')
  }
  t.match(await writer.ask(request([{ path: 'good.js', content: 'x' }])), { ok: true }, 'control: a good request is done')
  t.equal(readFileSync(`${home}/extension/good.js`, 'utf8'), 'x')
  t.strictSame(readdirSync(`${home}/.ex10-push`), [], 'no temporary file is left')
})
