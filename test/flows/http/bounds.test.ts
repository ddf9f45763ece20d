import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import pino from 'pino'
import t from 'tap'
import { WebSocket } from 'ws'
import { buildApp } from '#app.ts'
import { readConfig } from '#config.ts'
import { serve } from '#support/servers/creation.ts'
import { openEvents, refusalOf } from '#support/servers/event-socket.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, readLines, testEnv } from '#support/servers/server.ts'
import { openSocket, readMeta, socketDisplay } from '#support/display/socket-display.ts'

t.test('viewers take half of the server\'s connections at most, of all sessions together; the rest is for requests', async t => {
  const server = await serve(t, socketDisplay(t), { prefix: ['prlimit', '--nofile=320:320'] }) // 80 connections, of which 40 for viewers
  const sessions = [await createSession(server), await createSession(server)]
  for (const session of sessions) for (let i = 0; i < 20; i++) await openSocket(t, session)
  const socket = new WebSocket(`${sessions[0]!.url.replace('http', 'ws')}socket?ticket=${await readMeta(sessions[0]!, 'ticket')}`, 'binary').on('error', () => {})
  const [, { statusCode, headers }] = await once(socket, 'unexpected-response')
  t.strictSame([statusCode, headers['retry-after']], [429, '10'], 'the next one hears when to come again, though its session has room')
  t.strictSame(await refusalOf(server, `/sessions/${sessions[0]!.id}/events`), { status: 429, code: 'EX10_TOO_MANY_STREAMS' }, 'readers of events by WebSockets count with them')
  for (const { id } of sessions) t.equal((await endSession(server, id)).status, 200, 'requests are answered')
  await openSocket(t, await createSession(server))
  t.pass('and whoever goes makes room')
})

t.test('who reads no events, though there are, is let go; who reads them misses none', async t => {
  const app = await buildApp(readConfig(testEnv({ ...lightDisplay(), EX10_LOG_LEVEL: 'silent' })), pino({ level: 'silent' }))
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const { id } = await createSession({ url: `http://127.0.0.1:${port}` } as Parameters<typeof createSession>[0])
  const facts = app.sessions.get(id)
  const leaving = new AbortController()
  const lines = readLines(await fetch(`http://127.0.0.1:${port}/sessions/${id}/events`, { signal: leaving.signal }))
  await lines.next()
  const nextWarning = async () => { // a session's own events come in between
    for (;;) {
      const { value } = await lines.next()
      if (value.type === 'warning') return value
    }
  }
  const idler = connect(port, '127.0.0.1').on('error', () => {}).pause()
  t.teardown(() => idler.destroy())
  idler.write(`GET /sessions/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  const paused = await openEvents(t, { url: `http://127.0.0.1:${port}` }, id)
  paused.socket.pause()
  await eventually('three readers', () => app.channels.of(id).length === 3)

  const message = 'x'.repeat(8000)
  let count = 0
  for (; app.channels.of(id).length > 1 && count < 4000; count++) { // what the kernel holds for it is more than the bound
    app.events.publish(facts, { type: 'warning', message })
    await nextWarning()
  }
  t.equal(app.channels.of(id).length, 1, `the idlers are let go after ${count} events`)
  app.events.publish(facts, { type: 'warning', message: 'last' })
  t.match(await nextWarning(), { message: 'last' }, 'the reader has read each of them')
  leaving.abort()
  await app.sessions.end(id, 'deleted')
  t.strictSame((await app.inject('/admin/audit')).json(), { leaked: [], missing: [] })
})
