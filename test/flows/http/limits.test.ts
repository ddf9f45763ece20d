import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { INSPECTED, setForward } from '#support/servers/inspector.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, pushCode, TEST_DATA } from '#support/servers/server.ts'
import { standInDisplay } from '#support/display/stand-in-display.ts'

/** Settings of a session whose programs of these names are these shell scripts; the others are the light ones. */
function withPrograms (t: Test, programs: Record<string, string>): Record<string, string> {
  const light = lightDisplay().EX10_SESSION_PATH!
  const folder = mkdtempSync(`${TEST_DATA}/programs-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [name, script] of Object.entries(programs)) writeFileSync(`${folder}/${name}`, `#!/bin/sh\n${script}\n`)
  for (const path of [folder, ...Object.keys(programs).map(name => `${folder}/${name}`)]) chmodSync(path, 0o755)
  return { EX10_SESSION_PATH: `${folder},${light}` }
}

t.test('a client that asks for a session and reads nothing for ten seconds gets none', async t => {
  const server = await serve(t, withPrograms(t, { Xvfb: 'exec sleep infinity' })) // the creation waits, so that it is not done before
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {})
  t.teardown(() => socket.destroy())
  socket.pause()
  await once(socket, 'connect')
  // the answers before it are more than the kernel takes: its lines wait in the server
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const startedAt = performance.now()
  socket.write(get('/openapi.json').repeat(900) + get('/createSession'))
  const sessions = async () => (await read(server, '/health')).sessions
  await eventually('it is being made', async () => await sessions() === 1)
  await eventually('it is undone', async () => await sessions() === 0, 30_000)
  t.ok(performance.now() - startedAt > 10_000, 'not before')
  t.ok(await eventually('the log of its end', () => server.output().includes('"reason":"client-gone"')), 'because nobody read')
  await assertEndsClean(t, server)
})

t.test('pushes that are announced and never come take no more of the server than a user may, and leave room for others', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys' })
  const [anna, ben] = [as(server, await keysCommand(server, 'create', '--user', 'anna')), as(server, await keysCommand(server, 'create', '--user', 'ben'))]
  const session = await createSession(ben)
  const head = `POST /updateCode HTTP/1.1\r\nHost: localhost\r\nauthorization: ${anna.headers!.authorization}\r\ncontent-type: application/json\r\ncontent-length: ${20 * 1024 * 1024}\r\n\r\n`
  const sockets = Array.from({ length: 30 }, () => connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {}))
  let refused = 0
  for (const socket of sockets) {
    socket.once('data', chunk => { if (/^HTTP\/1\.1 503 .*EX10_OVERLOADED/s.test(String(chunk))) refused++ })
    socket.write(head)
  }
  await eventually('what is too much is refused', () => refused === 30 - 12)
  t.match(await (await pushCode(ben, { sessionId: session.id, filePath: 'a.js', content: 'x'.repeat(4 * 1024 * 1024) })).json(), { success: true }, 'somebody else pushes')
  for (const socket of sockets) socket.destroy()
  const mine = await createSession(anna)
  await eventually('room again', async () => (await pushCode(anna, { sessionId: mine.id, filePath: 'a.js', content: 'x'.repeat(4 * 1024 * 1024) })).ok)
  for (const [user, { id }] of [[anna, mine], [ben, session]] as const) await endSession(user, id)
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  await assertEndsClean(t, admin)
})

t.test('a ticket for the display is good for a minute, and no clock on the wall decides', async t => {
  const server = await serve(t, { ...lightDisplay(), ...INSPECTED })
  const session = await createSession(server)
  const display = await standInDisplay(t, server, session)
  const ticket = async () => /name="ex10-ticket" content="([\w-]+)"/.exec(await (await fetch(`${session.url}index.html`)).text())?.[1] ?? ''
  const open = async (ticket: string) => {
    const socket = new WebSocket(`${session.url.replace('http', 'ws')}socket?ticket=${ticket}`, 'binary')
    t.teardown(() => socket.terminate())
    const { promise, resolve } = Promise.withResolvers<number>()
    socket.on('open', () => resolve(101)).on('unexpected-response', (request, response) => { resolve(response.statusCode ?? 0); request.destroy() }).on('error', () => {})
    return { socket, status: await promise }
  }

  const viewer = await open(await ticket())
  t.equal(viewer.status, 101)
  for (const hours of [1, -1]) {
    await setForward(server, 'Date', hours * 3_600_000)
    t.equal((await open(await ticket())).status, 101, `the wall clock set by ${hours} h: a fresh ticket is good`)
    await delay(16_000) // past the next look at who is silent
    t.equal(viewer.socket.readyState, WebSocket.OPEN, 'and who watches goes on watching')
  }

  const [young, old] = [await ticket(), await ticket()]
  await setForward(server, 'performance', 55_000)
  t.equal((await open(young)).status, 101, 'after 55 s')
  await setForward(server, 'performance', 10_000)
  t.equal((await open(old)).status, 403, 'after 65 s')
  t.equal((await endSession(server, session.id)).status, 200)
  for (const client of display.clients) client.terminate() // this display is the test's own: it does not die with the session
  display.close()
  await assertEndsClean(t, server)
})

t.test('what a session prints reaches the reader of its log as plain lines of at most 8 KiB', async t => {
  const hostile = String.raw`printf '\033[2J\033]0;title\007red \033[31mtext\033[0m\n'
printf 'over\rwritten \302\205 \342\200\256 \342\200\250 end\n'
printf 'bad \377\376 utf-8 \355\240\200\n'
printf 'tab\there \000 nul\n'
head -c 100000 /dev/zero | tr '\0' x; echo
i=0; while [ $i -lt 6000 ]; do printf '\303\251'; i=$((i + 1)); done; echo
echo last`
  const server = await serve(t, withPrograms(t, { Xvfb: 'echo 10 >&3; exec 3>&- sleep infinity', xpra: `${hostile}\nexec ${lightDisplay().EX10_SESSION_PATH}/xpra "$@"` }))
  const session = await createSession(server)
  const lines = await eventually('all of it', async () => {
    const { lines } = await read(server, '/sessions/:id/logs', { id: session.id, source: 'xpra', tail: 5000 })
    return lines.some(line => line.endsWith('last')) ? lines : undefined
  })
  const after = (line = '') => line.replace(/^\S+ \S+ {1,2}/, '') // the logger's time
  t.ok(lines.every(line => Buffer.byteLength(line) <= 8192), 'none is longer than 8 KiB')
  // eslint-disable-next-line no-control-regex
  t.notMatch(lines.join(''), /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\ufffe]/, 'none holds a control character')
  t.match(lines.join('\n'), /red text\n/, 'terminal escapes are gone with what belongs to them')
  t.match(lines.join('\n'), /overwritten {4}end/)
  t.match(lines.join('\n'), /bad \ufffd\ufffd utf-8/)
  t.match(lines.join('\n'), /tab\there/)
  t.match(after(lines.at(-1)), 'last')
  t.equal((await endSession(server, session.id)).status, 200)
  await assertEndsClean(t, server)
})
