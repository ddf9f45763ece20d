import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import pino from 'pino'
import t from 'tap'
import connections from '#plugins/http/connections.ts'
import errorReplies from '#plugins/http/error-replies.ts'

t.test('a server that closes drops idle connections at once, says what it still waits for, and refuses other requests without an error in its log', async t => {
  const lines: { level: number, msg: string, requests?: number, connections?: number }[] = []
  const log = pino({}, new Writable({ write (line, _encoding, done) { lines.push(JSON.parse(String(line))); done() } }))
  const app = Fastify({ loggerInstance: log, forceCloseConnections: true, return503OnClosing: false })
  const { promise: sessionsEnded, resolve: endSessions } = Promise.withResolvers<void>()
  const { promise: worked, resolve: work } = Promise.withResolvers<void>()
  for (const plugin of [errorReplies, connections]) await app.register(plugin)
  app.addHook('preClose', () => sessionsEnded)
  app.get('/', async () => 'done')
  app.get('/work', async () => { await worked; return 'done' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  const idle = connect(port, '127.0.0.1')
  idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(idle, 'data')
  const working = fetch(`http://127.0.0.1:${port}/work`)
  while (!lines.some(({ msg }, i) => msg === 'incoming request' && i > 1)) await new Promise(resolve => setImmediate(resolve))
  const closed = app.close()
  await once(idle, 'close', { signal: AbortSignal.timeout(1000) })
  t.match(await (await fetch(`http://127.0.0.1:${port}/`)).json(), { code: 'EX10_SHUTTING_DOWN' })
  work()
  t.equal(await (await working).text(), 'done', 'what is under way is answered')
  endSessions()
  await closed
  t.match(lines.find(({ msg }) => msg === 'server closes'), { requests: 1, connections: 1 })
  t.strictSame(lines.filter(({ level }) => level > 30), [])
})
