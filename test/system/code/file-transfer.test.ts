import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { zip } from '#support/code/archives.ts'
import { frames, startTransfer, transferred, type Line } from '#support/code/file-transfer.ts'
import { makeHome, own } from '#support/code/file-writer.ts'
import { firstLine } from '#support/sandbox.ts'
import { eventually } from '#support/servers/server.ts'

const hash = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')

/** A home with all that may stand in one, and nothing else. */
function crowded (t: Test): string {
  const home = makeHome(t)
  const at = `${home}/extension`
  for (const folder of ['lib/deep', '.git', 'node_modules/x', '_locales/en', 'empty']) mkdirSync(`${at}/${folder}`, { recursive: true })
  const files: Record<string, string> = { 'manifest.json': '{}', 'lib/deep/x.js': 'x', 'lib/y.js': 'y', 'lib/y.js.map': '{}', '.git/HEAD': 'ref', '.env': 'secret', 'node_modules/x/i.js': 'i', '_locales/en/messages.json': '{}', 'ü n.js': 'ü', unreadable: 'x' }
  for (const [path, content] of Object.entries(files)) writeFileSync(`${at}/${path}`, content)
  writeFileSync(Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0xff, 0x2e])]), 'no text')
  writeFileSync(`${home}/outside.js`, 'outside')
  symlinkSync('../outside.js', `${at}/link.js`)
  symlinkSync('/etc', `${at}/etc`)
  execFileSync('mkfifo', [`${at}/fifo`])
  writeFileSync(`${at}/huge`, '')
  own(home)
  truncateSync(`${at}/huge`, 2 ** 40)
  chmodSync(`${at}/unreadable`, 0)
  utimesSync(`${at}/lib/y.js`, 1_700_000_000.5, 1_700_000_000.5)
  return home
}

t.test('a list has each regular file with its size, hash and time, in a fixed order, and nothing that lies behind a link', async t => {
  const lines = await transferred(t, crowded(t), { do: 'list', base: 'extension', skip: ['.git', 'node_modules'] })
  t.strictSame(lines.pop(), { truncated: false })
  t.strictSame(lines.map(({ path, size, hash }) => [path, size, hash]), [
    ['.env', 6, hash('secret')], ['huge', 2 ** 40, undefined], ['manifest.json', 2, hash('{}')], ['unreadable', 1, undefined], ['ü n.js', 2, hash('ü')],
    ['_locales/en/messages.json', 2, hash('{}')], ['lib/y.js', 1, hash('y')], ['lib/y.js.map', 2, hash('{}')], ['lib/deep/x.js', 1, hash('x')]
  ])
  t.equal(lines.find(({ path }) => path === 'lib/y.js')?.modified, 1_700_000_000_500)
  t.strictSame(await transferred(t, makeHome(t), { do: 'list', base: 'nowhere', skip: [] }), [{ truncated: false }], 'a folder that is not there has no files')
})

t.test('a list ends at 20,000 files, and says so', async t => {
  const home = makeHome(t)
  for (let index = 0; index < 20_010; index++) writeFileSync(`${home}/extension/${index}`, '')
  own(home)
  const lines = await transferred(t, home, { do: 'list', base: 'extension', skip: [] })
  t.strictSame([lines.length, lines.at(-1)], [20_001, { truncated: true }])
})

async function read (t: Test, home: string, path: string): Promise<[Line, string]> {
  const child = startTransfer(t, home, { do: 'read', base: 'extension', path })
  const [line = '', ...rest] = (await buffer(child.stdout)).toString('latin1').split('\n')
  return [JSON.parse(line), rest.join('\n')]
}

t.test('a file is sent as it is, and what is no regular file below real folders is not', async t => {
  const home = crowded(t)
  t.match(await read(t, home, 'lib/y.js'), [{ size: 1, hash: hash('y'), modified: 1_700_000_000_500 }, 'y'])
  const refused: Record<string, string> = {
    'none.js': 'PATH_NOT_FOUND', 'none/none.js': 'PATH_NOT_FOUND', 'link.js': 'PATH_SYMLINK', 'etc/passwd': 'PATH_SYMLINK', lib: 'PATH_IS_DIRECTORY', 'manifest.json/x': 'PATH_NOT_DIRECTORY', fifo: 'PATH_NOT_REGULAR', huge: 'FILE_TOO_LARGE', unreadable: 'TRANSFER_FAILED'
  }
  for (const [path, error] of Object.entries(refused)) t.match(await read(t, home, path), [{ error }, ''], path)
})

t.test('a file that changes while it is sent does not come to its end', async t => {
  const home = makeHome(t)
  writeFileSync(`${home}/extension/x`, Buffer.alloc(1 << 20, 'a'))
  own(home)
  const child = startTransfer(t, home, { do: 'read', base: 'extension', path: 'x' })
  await new Promise(resolve => child.stdout.once('readable', resolve))
  writeFileSync(`${home}/extension/x`, Buffer.alloc(1 << 20, 'b'))
  const sent = await buffer(child.stdout)
  t.ok(sent.indexOf('\n') > 0 && sent.length - sent.indexOf('\n') - 1 < 1 << 20, `${sent.length} bytes`)
})

t.test('an export has the extension\'s files without hidden ones, in order and as a store takes them; the same files make the same bytes', async t => {
  const exported = async (skip: string[]) => {
    const home = crowded(t)
    for (const name of ['huge', 'unreadable']) execFileSync('rm', [`${home}/extension/${name}`])
    const child = startTransfer(t, home, { do: 'export', transfer: 'one', base: 'extension', skip })
    const bytes = await buffer(child.stdout)
    t.strictSame(readdirSync(`${home}/.ex10-transfer`), [], 'nothing is left')
    return bytes.subarray(bytes.indexOf('\n') + 1)
  }
  const namesIn = (bytes: Buffer) => JSON.parse(execFileSync('python3', ['-c', 'import io, json, sys, zipfile; z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); assert z.testzip() is None; print(json.dumps(z.namelist()))'], { input: bytes, encoding: 'utf8' }))
  const [first, again, all] = [await exported(['.map']), await exported(['.map']), await exported([])]
  t.ok(first.equals(again), 'the same bytes')
  const names = ['_locales/en/messages.json', 'lib/deep/x.js', 'lib/y.js', 'manifest.json', 'node_modules/x/i.js', 'ü n.js']
  t.strictSame(namesIn(first), names)
  t.strictSame(namesIn(all), names.toSpliced(3, 0, 'lib/y.js.map'))
  const home = makeHome(t)
  mkdirSync(`${home}/extension/src`)
  writeFileSync(`${home}/extension/src/manifest.json`, '{}')
  own(home)
  t.match(await transferred(t, home, { do: 'export', transfer: 'one', base: 'extension', skip: [] }), [{ error: 'NOTHING_TO_EXPORT' }])
})

t.test('what nobody waits for any more leaves nothing behind, at whatever point it was', async t => {
  const home = makeHome(t)
  own(home)
  const archive = zip(Array.from({ length: 3000 }, (_, index) => ({ name: `${index}`, content: `${index}` })))
  const whole = frames(archive)
  for (const [what, sent] of Object.entries({ nothing: whole.subarray(0, 0), 'half a frame': whole.subarray(0, 30_000), 'all but the last frame': whole.subarray(0, -4), everything: whole })) {
    for (const wish of ['stage', 'unpack']) {
      const child = startTransfer(t, home, { do: wish, transfer: 'one' })
      child.stdin.write(sent)
      if (what === 'everything') await eventually('it has begun', () => existsSync(`${home}/.ex10-transfer/one/0`))
      child.stdin.end()
      child.stdout.resume()
      await new Promise(resolve => child.once('close', resolve))
      t.strictSame(readdirSync(`${home}/.ex10-transfer`), [], `${wish}, ${what}`)
    }
  }
})

t.test('a transfer that was killed leaves its files for the next one to remove, which touches no other that goes on', async t => {
  const home = makeHome(t)
  own(home)
  const folders = () => readdirSync(`${home}/.ex10-transfer`).sort()
  const start = async (transfer: string) => {
    const child = startTransfer(t, home, { do: 'stage', transfer })
    child.stdin.write(frames(Buffer.from(transfer)))
    t.match(JSON.parse(await firstLine(child)), { size: transfer.length, hash: hash(transfer) })
    return child
  }
  const [killed, alive] = [await start('killed'), await start('alive')]
  killed.kill('SIGKILL')
  await new Promise(resolve => killed.once('close', resolve))
  t.strictSame(folders(), ['alive', 'killed'], 'control: it is left')
  const sweep = startTransfer(t, home, { do: 'sweep' })
  await new Promise(resolve => sweep.once('close', resolve))
  t.strictSame(folders(), ['alive'])
  t.equal(readFileSync(`${home}/.ex10-transfer/alive/0`, 'utf8'), 'alive')
  await Promise.all(['a', 'b', 'c'].map(start))
  t.strictSame(folders(), ['a', 'alive', 'b', 'c'], 'several at a time')
  alive.stdin.end()
  await eventually('it is gone', () => !folders().includes('alive'))
})

t.test('on a full disk a transfer is refused, and leaves all as it was', async t => {
  const home = makeHome(t)
  const small = ['unshare', '--mount', '--', 'sh', '-c', 'mount -t tmpfs -o size=1m,nr_inodes=40,mode=700 tmpfs "$0" && mkdir "$0/extension" && chown -R 64124:64124 "$0" && "$@"; ls -A "$0" "$0/.ex10-transfer" >&2', home]
  for (const [what, request, content] of [
    ['a file', { do: 'stage' }, Buffer.alloc(2 << 20)],
    ['an archive', { do: 'unpack' }, zip([{ name: 'x', content: 'x' }, { name: 'y', content: Buffer.alloc(1 << 20, 'yz'), method: 0 }])],
    ['what is in an archive', { do: 'unpack' }, zip(Array.from({ length: 30 }, (_, index) => ({ name: `${index}`, content: Buffer.alloc(60_000, `${index}`) })))],
    ['more files than there is room for', { do: 'unpack' }, zip(Array.from({ length: 60 }, (_, index) => ({ name: `${index}`, content: 'x' })))]
  ] as const) {
    const child = startTransfer(t, home, { ...request, transfer: 'one' }, small)
    child.stdin.write(frames(content))
    const [said, left] = await Promise.all([buffer(child.stdout), buffer(child.stderr)])
    t.match(JSON.parse(said.toString().trimEnd().split('\n').at(-1)!), { error: 'DISK_FULL' }, what)
    t.match(left.toString(), /:\n\.ex10-transfer\nextension\n\n[^\n]*transfer:\n$/, 'nothing is left')
  }
})
