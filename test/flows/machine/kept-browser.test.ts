import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { openDevTools } from '#support/display/devtools.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { firstLine, inside, start } from '#support/sandbox.ts'
import { next, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, TEST_DATA, type CreatedSession, type Server } from '#support/servers/server.ts'
import { read } from '#support/servers/client.ts'
import { killService } from '#system/sandbox/services.ts'

const BROWSER = '/usr/lib/chromium'
const LOCK = '/var/lib/dpkg/lock-frontend'

/** A folder and a lock that a server of the test, and it alone, has in the place of Chromium's folder and of the package manager's lock. */
function standIn (t: Test): { folder: string, lock: string, prefix: string[] } {
  const parent = mkdtempSync(`${TEST_DATA}/chromium-`)
  t.teardown(() => rmSync(parent, { recursive: true }))
  const [folder, lock] = [`${parent}/chromium`, `${parent}/lock`]
  mkdirSync(folder)
  writeFileSync(lock, '')
  return { folder, lock, prefix: ['unshare', '--mount', '--', 'sh', '-ec', `mount --bind ${folder} ${BROWSER}; mount --bind ${lock} ${LOCK}; exec "$0" "$@"`] }
}

/** Replaces files as dpkg does: each by a rename. */
function upgrade (folder: string, content: string, names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(({ parentPath, name }) => `${parentPath}/${name}`)): void {
  for (const path of names) {
    writeFileSync(`${path}.dpkg-new`, content)
    renameSync(`${path}.dpkg-new`, path)
  }
}

t.test('A session keeps the files of Chromium that it began with, whatever the package manager does', async t => {
  const { folder, lock, prefix } = standIn(t)
  mkdirSync(`${folder}/locales`)
  for (const name of ['chromium', 'resources.pak', 'locales/en-US.pak']) writeFileSync(`${folder}/${name}`, 'one')
  let server = await serve(t, { ...lightDisplay(), EX10_ON_SHUTDOWN: 'keep' }, { prefix })
  const files = async (server: Server, session: CreatedSession) => (await (await inside(t, server, session)).run(['sh', '-c', `cat ${BROWSER}/chromium ${BROWSER}/resources.pak ${BROWSER}/locales/*`])).stdout
  const kept = () => readdirSync(`${server.dataDir}/browsers`).length

  const first = await createSession(server)
  t.equal(await files(server, first), 'oneoneone')
  upgrade(folder, 'two')
  const second = await createSession(server)
  t.equal(await files(server, second), 'twotwotwo', 'a new session has the new files')
  t.equal(await files(server, first), 'oneoneone', 'the earlier one has its own')
  t.equal(kept(), 2)

  const holder = start(t, ['python3', '-c', `import fcntl, sys; file = open("${lock}", "r+"); fcntl.lockf(file, fcntl.LOCK_EX); print("locked", flush=True); sys.stdin.read()`])
  t.equal(await firstLine(holder), 'locked')
  upgrade(folder, 'three', [`${folder}/chromium`])
  const third = await createSession(server)
  t.equal(await files(server, third), 'twotwotwo', 'while packages are being installed, a new session has the last whole version, not a mixture')
  holder.stdin.end()
  upgrade(folder, 'three')
  const fourth = await createSession(server)
  t.equal(await files(server, fourth), 'threethreethree', 'and after it the new one')

  t.equal((await endSession(server, second.id)).status, 200)
  t.equal((await endSession(server, third.id)).status, 200)
  t.equal(kept(), 3)
  await server.stop()
  server = await next(t, server) // without the stand-in: its Chromium is the machine's
  t.equal(await files(server, first), 'oneoneone', 'a session that lives on under another server keeps its files')
  t.equal(kept(), 3, 'the copy that nothing shows any more is gone: two are shown, one is the present one')
  for (const { id } of [first, fourth]) t.equal((await endSession(server, id)).status, 200)
})

t.test('After an upgrade a live Chromium opens tabs, and starts again when it has crashed', { timeout: 120_000 }, async t => {
  const { folder, prefix } = standIn(t)
  cpSync(BROWSER, folder, { recursive: true, force: true })
  const server = await serve(t, {}, { prefix })
  const session = await createSession(server)
  const works = async () => {
    const devTools = await openDevTools(t, server, session)
    for (const url of ['http://one.test/', 'http://two.test/']) await (await devTools.openTab()).visit(url, '<h1>hello</h1>')
    return String((await devTools.send('Browser.getVersion')).product)
  }
  const version = await works()
  upgrade(folder, 'not a file that the running version could use')
  t.equal(readFileSync(`${folder}/chromium`, 'utf8').slice(0, 3), 'not', 'control: no file is what it was')
  t.equal(await works(), version)
  const own = await inside(t, server, session)
  await killService(own.dir, 'browser', AbortSignal.timeout(5000))
  await eventually('a browser that is well again', async () => (await read(server, '/sessions/:id', { id: session.id })).health === 'ok' && await works().catch(() => '') === version, 30_000)
  t.ok(existsSync(`/proc/${own.init}`), 'it is the same session')
  t.equal((await endSession(server, session.id)).status, 200)
})
