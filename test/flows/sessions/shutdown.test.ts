import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { WebSocket } from 'ws'
import { STEPS } from '#domain/sessions/steps.ts'
import { auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { assertEndsClean, beginCreation, listSessions, next, serve } from '#support/servers/creation.ts'
import { assertAuditsClean, assertSurvived } from '#support/servers/ending.ts'
import { openEvents } from '#support/servers/event-socket.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { openSharedSocket, openSocket, socketDisplay } from '#support/display/socket-display.ts'
import { INSPECTED, inspect } from '#support/servers/inspector.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { listMachine } from '#support/servers/machine.ts'
import { createSession, eventually, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const manySessions = (server: Server, count: number) => Promise.all(Array.from({ length: count }, () => createSession(server)))

/** The states of the sessions that are on record, also while the server does not answer any more. */
function statesOf ({ dataDir }: Server): string[] {
  const database = new DatabaseSync(`${dataDir}/registry.db`, { readOnly: true })
  try {
    return database.prepare('SELECT state FROM sessions ORDER BY state').all().map(row => String(row.state))
  } finally {
    database.close()
  }
}

t.test('SIGTERM ends ten live sessions, and the server exits with 0; readers of events and open pages hear why', async t => {
  const server = await serve(t, socketDisplay(t))
  const { id } = await createSession(server)
  const alone = performance.now()
  await fetch(`${server.url}/session/${id}`, { method: 'DELETE' })
  const oneMs = performance.now() - alone
  const sessions = await manySessions(server, 10)
  await assertAuditsClean(t, server, 'with ten sessions')
  const first = sessions[0]!
  const { url: link } = await (await fetch(`${server.url}/sessions/${first.id}/shares`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"mode":"view"}' })).json() as { url: string }
  const closed = (socket: WebSocket) => once(socket, 'close').then(([code, reason]) => [code, String(reason)])
  const bySocket = await openEvents(t, server, first.id)
  const heard = Promise.all([
    fetch(`${server.url}/sessions/${first.id}/events`).then(answer => answer.text()),
    closed(await openSocket(t, first)),
    closed(await openSharedSocket(t, first, link))
  ])
  const meanwhile = eventually('the sessions\' end', () => statesOf(server).includes('stopping')).then(async () => (await fetch(`${server.url}/health`)).json())
  const startedAt = performance.now()
  await assertEndsClean(t, server)
  const [events, viewer, guest] = await heard
  t.match(JSON.parse(events.trimEnd().split('\n').at(-1)!), { type: 'ended', reason: 'shutdown' }, 'the last event is read, and the stream ends after it')
  t.strictSame([bySocket.events.at(-1)?.type, await bySocket.closed], ['ended', [1000, '']], 'by a WebSocket, too')
  t.strictSame([viewer, guest], [[4410, 'shutdown'], [4410, '']], 'so do pages; by a link, only that it ends')
  t.match(await meanwhile, { success: false, code: 'EX10_SHUTTING_DOWN' }, 'other requests are refused meanwhile')
  t.comment(`ten sessions and the server ended in ${Math.round(performance.now() - startedAt)} ms; a DELETE of one took ${Math.round(oneMs)} ms`)
  tally(t, 'faults', 1)
})

t.test('SIGTERM closes idle connections at once and waits a moment for readers that do not close theirs; the log says for how many, and has no error', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  const open = async (text: string) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write(text)
    await once(socket, 'data')
    return { socket, closed: once(socket.resume(), 'close').then(() => performance.now()) }
  }
  const idle = await open('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  // answers no WebSocket close
  const silent = await open(`GET /sessions/${id}/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`)
  await assertEndsClean(t, server)
  t.ok(await silent.closed - await idle.closed > 1500, 'the idle one is closed before the sessions end, the reader two seconds after that')
  const lines = server.output().split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line))
  const said = (msg: string) => lines.find(line => line.msg === msg)
  t.match(said('server closes'), { requests: Number, connections: Number })
  t.match(said('waiting for readers of ended sessions'), { viewer: 0, events: 1 })
  t.match(said('readers did not close their connections'), { viewer: 0, events: 1, waitedMs: 2000 })
  t.strictSame(lines.filter(({ level }) => level >= 50), [])
})

t.test('a second signal while sessions end, as Ctrl-C under npm sends it, does no harm: they are ended, and the exit code is 0', async t => {
  for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGINT'], ['SIGTERM', 'SIGINT']] as const) {
    const server = await serve(t, lightDisplay())
    await manySessions(server, 5)
    const ended = server.stop(first)
    await eventually('the sessions\' end', () => statesOf(server).includes('stopping'))
    t.ok(server.child.kill(second), `${second} while the server ends after ${first}`)
    t.equal(await ended, 0)
    t.strictSame(statesOf(server), Array(5).fill('ended'))
    tally(t, 'faults', 1)
  }
})

t.test('a signal at whichever step of a creation undoes it, and its client hears why', async t => {
  for (const [position, step] of STEPS.entries()) {
    if (position % 3 !== 1 && !IS_LONG) continue
    const signal = position % 2 === 0 ? 'SIGTERM' : 'SIGINT'
    const browser = heldBrowser(t)
    const server = await serve(t, browser.settings)
    if (position <= STEPS.indexOf('browser')) browser.hold()
    const creation = await beginCreation(server)
    await creation.until(step)
    const ended = server.stop(signal)
    const last = (await creation.end()).at(-1)
    // the last steps may be over before the signal comes: then a ready session is ended
    const isReady = position >= STEPS.length - 2 && last?.status === 'complete'
    if (!isReady) t.match(last, { status: 'error', data: { code: 'EX10_SHUTTING_DOWN' } }, `${signal} at ${step}`)
    t.equal(await ended, 0)
    t.strictSame(statesOf(server), [isReady ? 'ended' : 'failed'], `${signal} at ${step}`)
    tally(t, 'faults', 1)
  }
})

t.test('with EX10_ON_SHUTDOWN=keep, what is ready stays for the next start, and what was being made is undone', async t => {
  const browser = heldBrowser(t)
  const first = await serve(t, { ...browser.settings, EX10_ON_SHUTDOWN: 'keep' })
  const kept = (await manySessions(first, 3)).map(({ id }) => id).sort()
  browser.hold()
  const creation = await beginCreation(first)
  await creation.until('browser')
  const ended = first.stop()
  t.match((await creation.end()).at(-1), { status: 'error', data: { code: 'EX10_SHUTTING_DOWN' } })
  t.equal(await ended, 0)
  t.strictSame(await auditFromTerminal(first), CLEAN, 'three sessions are there, and no more')
  t.equal((await listMachine(first)).filter(line => line.startsWith('passwd: ')).length, 3)
  first.env.EX10_ON_SHUTDOWN = 'end'
  const second = await next(t, first)
  t.strictSame((await listSessions(second)).map(({ id }) => id).sort(), kept, 'the three live on')
  await assertSurvived(t, second, 1)
})

t.test('a server that is told to end while it starts leaves what it found to the next start', async t => {
  const browser = heldBrowser(t)
  const first = await serve(t, browser.settings)
  const ids = (await manySessions(first, 3)).map(({ id }) => id).sort()
  browser.hold()
  const creation = await beginCreation(first)
  await creation.until('browser')
  await first.stop('SIGKILL')
  await creation.end().catch(() => {}) // broken off
  const moments = ['', 'session of an earlier server', 'session adopted', 'Ex10 is ready'] // the first: before it says anything
  for (const words of moments) {
    const starting = spawn(process.execPath, ['src/server.ts'], { env: { PATH: process.env.PATH, ...first.env, EX10_ON_SHUTDOWN: 'keep' }, stdio: ['ignore', 'pipe', 'ignore'] })
    const exit = once(starting, 'exit')
    let said = ''
    starting.stdout.on('data', chunk => { said += chunk })
    await eventually(`a server that says “${words}”`, () => said.includes(words), 30_000)
    starting.kill('SIGTERM')
    const how = (await exit).find(how => how !== null)
    t.ok(how === 0 || how === 'SIGTERM', `told at “${words}”: it ended with ${how}`)
  }
  const second = await next(t, first)
  t.strictSame((await listSessions(second)).map(({ id }) => id).sort(), ids, 'those that were ready are there')
  await assertSurvived(t, second, moments.length)
})

for (const [reader, leaves] of [['has stopped', false], ['is gone', true]] as const) {
  t.test(`a server whose log's reader ${reader} goes on, and ends as any other, also after an error that nobody caught`, async t => {
    const server = await serve(t, { ...lightDisplay(), ...INSPECTED })
    const { id } = await createSession(server)
    const stopReading = async ({ url, child }: Server) => {
      child.stdout!.pause()
      for (let i = 0; i < 200; i++) t.equal((await fetch(`${url}/health?${'x'.repeat(8000)}`)).status, 200) // more than the kernel keeps for it
      if (leaves) child.stdout!.destroy()
      t.equal((await fetch(`${url}/health`)).status, 200)
    }
    const exit = once(server.child, 'exit')
    await stopReading(server)
    await inspect(server, 'Runtime.evaluate', { expression: 'setTimeout(() => { throw new Error("of a test") })' })
    t.strictSame(await exit, [1, null])
    const second = await next(t, server)
    t.strictSame((await listSessions(second)).map(({ id }) => id), [id], 'its session stays for the next')
    const secondExit = once(second.child, 'exit')
    await stopReading(second)
    second.child.kill('SIGTERM')
    t.strictSame(await secondExit, [0, null])
    tally(t, 'faults', 1)
  })
}

t.test('clients that ask for an upgrade, are refused, and never end their side do not hold up the end', async t => {
  const server = await serve(t, lightDisplay())
  await createSession(server)
  const port = Number(new URL(server.url).port)
  const ask = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  for (let i = 0; i < 5; i++) {
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
    t.teardown(() => client.destroy())
    client.write(ask)
    t.match(String((await once(client, 'data'))[0]), /^HTTP\/1.1 404 /)
  }
  await assertEndsClean(t, server)
  t.strictSame(statesOf(server), ['ended'])
})
