import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { extensionId } from '#domain/programs/extension-id.ts'
import { connectDevTools } from '#system/programs/devtools.ts'

/** A program that listens where DevTools should, and answers as it likes. */
async function impostor (t: Test, answers: { json: string, onCommand?: (socket: WebSocket, command: string) => void }): Promise<number> {
  const server = createServer((request, response) => response.end(answers.json))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', data => answers.onCommand?.(socket, data.toString())))
  t.teardown(() => { server.closeAllConnections(); server.close(); sockets.close() })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

const VERSION = JSON.stringify({ webSocketDebuggerUrl: 'ws://127.0.0.1:1/devtools/browser/0a-1b' })
const within = () => AbortSignal.timeout(10_000)

t.test('whatever a program sends in the place of DevTools, the command fails and nothing else does', async t => {
  for (const message of ['garbage', 'null', '5', '"text"', '[]', '{"id":1,"error":5}', '{"id":1,"error":{}}', '{"id":1,"error":{"message":{"toString":1,"valueOf":1}}}', '{"method":"Target.detachedFromTarget","params":{"sessionId":{"toString":1}}}', '{"method":{},"params":5}', '{"id":1', Buffer.from([0, 255, 7])]) {
    const port = await impostor(t, { json: VERSION, onCommand: socket => { socket.send(message); socket.close() } })
    const devTools = await connectDevTools(port, within())
    await t.rejects(devTools.send('Target.getTargets', {}, { signal: within() }), `${message}`)
  }
})

t.test('a message that is too long closes the connection before it is held in memory', async t => {
  const port = await impostor(t, { json: VERSION, onCommand: socket => socket.send(Buffer.alloc(8 * 1024 * 1024, 0x20)) })
  const devTools = await connectDevTools(port, within())
  await t.rejects(devTools.send('Target.getTargets', {}, { signal: within() }), { message: 'the DevTools connection failed', cause: { message: 'Max payload size exceeded' } })
})

t.test('a command and its answer belong together, and events reach who listens', async t => {
  const port = await impostor(t, {
    json: VERSION,
    onCommand (socket, command) {
      const { id, params } = JSON.parse(command)
      socket.send(JSON.stringify({ method: 'Target.targetCreated', params: {} }))
      socket.send(JSON.stringify({ id: id + 100, result: {} }))
      socket.send(JSON.stringify({ id, result: params }))
    }
  })
  const devTools = await connectDevTools(port, within())
  const heard: unknown[] = []
  devTools.listen(event => heard.push(event.method))
  t.strictSame(await Promise.all([1, 2, 3].map(n => devTools.send('Echo', { n }, { signal: within() }))), [{ n: 1 }, { n: 2 }, { n: 3 }])
  t.strictSame(heard, Array(3).fill('Target.targetCreated'))
  devTools.close()
})

t.test('an address that leads elsewhere is not followed', async t => {
  let reached = 0
  const other = createTcpServer(socket => { reached++; socket.destroy() }).listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const elsewhere = `ws://127.0.0.1:${(other.address() as AddressInfo).port}`
  for (const url of [`${elsewhere}/other`, 'http://127.0.0.1/devtools/browser/0a', 'ws://x/devtools/browser/../../etc']) {
    const port = await impostor(t, { json: JSON.stringify({ webSocketDebuggerUrl: url }) })
    await t.rejects(connectDevTools(port, within()), url)
  }
  const good = await impostor(t, { json: JSON.stringify({ webSocketDebuggerUrl: `${elsewhere}/devtools/browser/0a` }) })
  const devTools = await connectDevTools(good, within())
  devTools.close()
  t.equal(reached, 0, 'of a good one, only the path is believed')
  const port = await impostor(t, { json: '[]' + ' '.repeat(5 * 1024 * 1024) })
  await t.rejects(connectDevTools(port, within()), { message: 'the answer is too long' }, 'nor is an endless answer read')
})

t.test('an unpacked extension has the id that Chromium derives from its path', async t => {
  t.match(extensionId('/var/lib/ex10/homes/ex10_user_0a1b2c3d/extension'), /^[a-p]{32}$/)
  t.not(extensionId('/a'), extensionId('/b'))
})
