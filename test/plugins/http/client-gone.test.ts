import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import clientGone from '#plugins/http/client-gone.ts'

/** A server whose route waits for `work` before it first asks whether the client has gone, then for `more` before it answers. */
async function serve (t: Test, { work, more }: { work?: Promise<unknown>, more?: Promise<unknown> } = {}) {
  const app = Fastify({ forceCloseConnections: true })
  const { promise: asked, resolve } = Promise.withResolvers<AbortSignal>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<Socket>()
  await app.register(clientGone)
  app.get('/', async request => {
    begin(request.socket)
    await work
    resolve(request.gone)
    await more
    return 'done'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  return { port: (app.server.address() as AddressInfo).port, asked, begun }
}

function ask (port: number) {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return socket
}

async function aborted (signal: AbortSignal): Promise<unknown> {
  if (!signal.aborted) await once(signal, 'abort', { signal: AbortSignal.timeout(5000) })
  return signal.reason
}

t.test('a route hears when its client closes the connection', async t => {
  const { promise: more, resolve } = Promise.withResolvers<void>()
  const { port, asked } = await serve(t, { more })
  const client = ask(port)
  const gone = await asked
  t.notOk(gone.aborted, 'the client waits')
  client.destroy()
  t.match(await aborted(gone), { code: 'EX10_CLIENT_GONE' })
  resolve()
})

t.test('a route hears of a client that had gone before it asked', async t => {
  const { promise: work, resolve } = Promise.withResolvers<void>()
  const { port, begun, asked } = await serve(t, { work })
  const client = ask(port)
  const connection = await begun
  client.destroy()
  await once(connection, 'close')
  resolve()
  t.match(await aborted(await asked), { code: 'EX10_CLIENT_GONE' })
})

t.test('the signal of a request that was answered aborts, so that nothing waits for its client any longer', async t => {
  const { port, asked } = await serve(t)
  const response = await fetch(`http://127.0.0.1:${port}/`)
  t.equal(await response.text(), 'done')
  t.match(await aborted(await asked), { code: 'EX10_CLIENT_GONE' })
})
