import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { answersHttp } from '#system/kernel/tcp.ts'

/** What each way to answer is taken for; the connection stays open unless it says otherwise. */
const ANSWERS: [string, string | undefined, boolean][] = [
  ['2xx', 'HTTP/1.1 204 No Content\r\n\r\n', true],
  ['an error', 'HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n', false],
  ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', false],
  ['a hint', 'HTTP/1.1 103 Early Hints\r\n\r\n', false],
  ['no HTTP', 'what?\r\n', false],
  ['nothing', undefined, false]
]

t.test('a program answers or it does not, whatever it says', async t => {
  for (const [what, answer, isGood] of ANSWERS) {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket.on('error', () => {}))
      if (answer !== undefined) socket.once('data', () => socket.write(answer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    t.equal(await answersHttp(port, '/', AbortSignal.timeout(isGood ? 10_000 : 1000)), isGood, what)
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
    t.equal(await answersHttp(port, '/', AbortSignal.timeout(1000)), false, `${what}: and not when nobody listens`)
  }
})
