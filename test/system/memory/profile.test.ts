import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { makeHome, own, UID } from '#support/code/file-writer.ts'
import { eventually } from '#support/servers/server.ts'
import { EnteredProgram, type Enter } from '#system/sandbox/enter.ts'
import { packProfile, unpackProfile } from '#system/memory/profile.ts'

const asUser = (home: string, argv: readonly string[]) => ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--', 'env', '-i', `HOME=${home}`, 'PATH=/usr/bin:/bin', 'LANG=C.UTF-8', ...argv] as [string, ...string[]]

/** Starts programs as the home's user; `started` gets each of them. */
function enterOf (home: string, started: (child: ChildProcess) => void = () => {}): Enter {
  return async argv => {
    const [command, ...args] = asUser(home, argv)
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    started(child)
    return new EnteredProgram(child)
  }
}

/** A home with a profile. */
function withProfile (t: Test, files: Record<string, string | Buffer> = {}): string {
  const home = makeHome(t)
  const at = `${home}/profile/Default`
  for (const folder of ['Local Storage/leveldb', 'IndexedDB/http_shop.test_0.indexeddb.leveldb', 'Cache', 'Service Worker/ScriptCache', 'WebStorage/1/CacheStorage']) mkdirSync(`${at}/${folder}`, { recursive: true })
  const all = {
    Cookies: '',
    'Cookies-journal': 'j',
    'Local Storage/leveldb/000003.log': 'l',
    'Local Storage/leveldb/LOCK': '',
    'IndexedDB/http_shop.test_0.indexeddb.leveldb/CURRENT': 'c',
    'Cache/data': 'x',
    'Service Worker/ScriptCache/0': 'x',
    'WebStorage/1/CacheStorage/0': 'x',
    Preferences: '{}',
    'Secure Preferences': '{}',
    'Local Storage/a\\b': 'x',
    ...files
  }
  for (const [path, content] of Object.entries(all)) writeFileSync(`${at}/${path}`, content)
  symlinkSync('/etc/passwd', `${at}/History`)
  writeFileSync(`${home}/profile/Local State`, '{}')
  own(home)
  return home
}

/** A program in the place of the browser: it writes one line after the other into two files by turns. */
function startBrowser (t: Test, home: string): number {
  const [command, ...args] = asUser(home, ['sh', '-c', `cd ${home}/profile/Default && while :; do echo x >>Cookies; echo x >>'Top Sites'; done`, `--user-data-dir=${home}/profile`])
  const { pid } = spawn(command, args, { detached: true, stdio: 'ignore' })
  t.teardown(() => { process.kill(pid!, 'SIGKILL') })
  return pid!
}

const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]![0]!
const linesIn = (file: string) => readFileSync(file, 'utf8').length / 2
const isWriting = async (home: string) => {
  const before = linesIn(`${home}/profile/Default/Cookies`)
  await eventually('the browser goes on', () => linesIn(`${home}/profile/Default/Cookies`) > before)
}

t.test('a pack holds what a person would miss, of one moment, and no caches, settings or links; the browser then goes on', async t => {
  const home = withProfile(t, { Favicons: randomBytes(30_000_000) }) // is read between the two files that the browser writes
  startBrowser(t, home)
  await eventually('it writes', () => linesIn(`${home}/profile/Default/Cookies`) > 10)
  const folder = t.testdir()
  const packed = await packProfile(enterOf(home), folder, AbortSignal.timeout(20_000))
  if (packed === 'too-large') return t.fail('it is not too large')
  t.teardown(packed.release)
  await isWriting(home)
  const tar = await buffer(Readable.from(packed.content()))
  t.strictSame(execFileSync('tar', ['-tzf', '-'], { input: tar }).toString().split('\n').filter(Boolean), [
    'Default/Cookies', 'Default/Cookies-journal', 'Default/Favicons', 'Default/Top Sites',
    'Default/IndexedDB/http_shop.test_0.indexeddb.leveldb/CURRENT', 'Default/Local Storage/leveldb/000003.log'
  ])
  const [cookies, sites] = ['Cookies', 'Top Sites'].map(name => execFileSync('tar', ['-xzOf', '-', `Default/${name}`], { input: tar }).length / 2) as [number, number]
  t.ok([0, 1].includes(cookies - sites), `both files are of one moment: ${cookies} and ${sites} lines`)

  const other = makeHome(t)
  await unpackProfile(enterOf(other), packed.content(), AbortSignal.timeout(20_000))
  t.equal(linesIn(`${other}/profile/Default/Cookies`), cookies, 'it is there in another home')
  t.equal(readFileSync(`${other}/profile/Default/IndexedDB/http_shop.test_0.indexeddb.leveldb/CURRENT`, 'utf8'), 'c')
})

t.test('equal profiles give equal packs', async t => {
  const home = withProfile(t)
  const hashes: string[] = []
  while (hashes.length < 2) {
    const packed = await packProfile(enterOf(home), t.testdir(), AbortSignal.timeout(20_000))
    if (packed === 'too-large') return t.fail('it is not too large')
    hashes.push(packed.hash)
    await packed.release()
    await delay(20)
  }
  t.equal(hashes[0], hashes[1])
})

t.test('a profile that is too large is not packed, nor one that would be refused when it comes back', async t => {
  for (const bytes of [129 * 1024 * 1024, 90_000_000]) {
    const home = withProfile(t, { Favicons: '' })
    truncateSync(`${home}/profile/Default/Favicons`, bytes)
    t.equal(await packProfile(enterOf(home), t.testdir(), AbortSignal.timeout(20_000)), 'too-large')
  }
})

t.test('the browser goes on when the pack is killed, or given up, while it stands still', async t => {
  const home = withProfile(t, { Favicons: randomBytes(60_000_000) })
  const browser = startBrowser(t, home)
  await eventually('it writes', () => linesIn(`${home}/profile/Default/Cookies`) > 10)
  const stands = async () => { while (stateOf(browser) !== 'T') await delay(1) }

  const programs: ChildProcess[] = []
  const killed = packProfile(enterOf(home, child => programs.push(child)), t.testdir(), AbortSignal.timeout(20_000))
  killed.catch(() => {})
  await stands()
  programs[0]!.kill('SIGKILL')
  await t.rejects(killed)
  await isWriting(home)

  const givenUp = packProfile(async argv => {
    const program = await enterOf(home)(argv)
    if (argv.at(-1)?.includes('"pack"')) stands().then(() => program.letGo(new Error('given up')))
    return program
  }, t.testdir(), AbortSignal.timeout(20_000))
  await t.rejects(givenUp)
  await isWriting(home)
})
