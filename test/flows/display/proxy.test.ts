import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { DisplayUnreachable, spliceDisplay } from '#system/display/display-socket.ts'
import { clientFrame } from '#support/inputs/frames.ts'
import { inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, type CreatedSession } from '#support/servers/server.ts'

/** An Xpra packet in its envelope. */
function packet (content: string, { flags = 0, level = 0, index = 0 } = {}): Buffer {
  const head = Buffer.from([0x50, flags, level, index, 0, 0, 0, 0])
  head.writeUInt32BE(Buffer.byteLength(content), 4)
  return Buffer.concat([head, Buffer.from(content)])
}

const HELLO = packet('l5:hellod5:sharei1e7:windowsi0e7:version5:3.1.3ee')
const PING = packet('l4:pingi1234ee')

async function ticketOf ({ url }: CreatedSession): Promise<string> {
  return /name="ex10-ticket" content="([\w-]+)"/.exec(await (await fetch(`${url}index.html`)).text())?.[1] ?? ''
}

/** The status of the answer to an upgrade: 101 when it was accepted. */
async function upgrade (url: string, headers: Record<string, string> = {}, protocol = 'binary'): Promise<number> {
  const socket = new WebSocket(url.replace('http', 'ws'), protocol, { headers })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  socket.on('open', () => { resolve(101); socket.terminate() })
  socket.on('unexpected-response', (request, response) => { resolve(response.statusCode ?? 0); request.destroy() })
  socket.on('error', reject)
  return promise
}

/** A viewer that has been greeted. */
async function view (t: Test, session: CreatedSession): Promise<WebSocket> {
  const socket = new WebSocket(`${session.url.replace('http', 'ws')}socket?ticket=${await ticketOf(session)}`, 'binary', { perMessageDeflate: false })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  socket.send(HELLO)
  await hears(socket, 'hello')
  return socket
}

/** Resolves with the first packet of this name from the display; they are often compressed, so their bytes are searched. */
async function hears (socket: WebSocket, name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onMessage = (data: Buffer) => { if (data.includes(name)) resolve() }
  const onClose = (code: number) => reject(new Error(`closed with ${code} before ${name}`))
  socket.on('message', onMessage).on('close', onClose)
  const timer = setTimeout(reject, 30_000, new Error(`no ${name}`))
  await promise.finally(() => { clearTimeout(timer); socket.off('message', onMessage).off('close', onClose) })
}

/** A new viewer of the session is greeted, and its ping is answered. */
async function assertAnswered (t: Test, session: CreatedSession, message: string): Promise<void> {
  const viewer = await view(t, session)
  const answered = hears(viewer, 'ping_echo')
  viewer.send(PING)
  await answered
  t.pass(message)
}

/** Established connections to the display's port, as the kernel lists them. */
function connections (port: number): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8').split('\n').filter(line => {
    const [, , remote = '', state] = line.trim().split(/\s+/)
    return remote.endsWith(wanted) && state === '01'
  }).length
}

t.test('Only a page of ours gets to the display of a session, and it can only do what a viewer does', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const other = await createSession(server)
  const { facts: otherFacts } = await inside(t, server, other)
  const socketUrl = (ticket: string, { url } = session) => `${url}socket?ticket=${ticket}`

  await t.test('without a good ticket there is no connection; with one there is, once', async t => {
    const good = await ticketOf(session)
    t.equal(await upgrade(socketUrl(good)), 101, 'the control: a fresh ticket')
    t.equal(await upgrade(socketUrl(good)), 403, 'a used one')
    t.equal(await upgrade(`${session.url}socket`), 403, 'none')
    t.equal(await upgrade(socketUrl('')), 403, 'an empty one')
    t.equal(await upgrade(socketUrl('A'.repeat(32))), 403, 'a made-up one')
    t.equal(await upgrade(socketUrl(await ticketOf(other))), 403, 'another session\'s')
    t.equal(await upgrade(socketUrl(await ticketOf(session), other)), 403, 'this one\'s, at another session')
    t.equal(await upgrade(socketUrl(await ticketOf(session)).replace(session.id, 'f'.repeat(32))), 403, 'nor at an unknown one, which is answered alike')
    t.equal(await upgrade(socketUrl(await ticketOf(session)).replace(session.id, '../../etc')), 404, 'a malformed one')
    t.equal(await upgrade(socketUrl(await ticketOf(session)), { host: 'evil.example' }), 421, 'an unknown host name')
    t.equal(await upgrade(socketUrl(await ticketOf(session)), {}, 'chat'), 400, 'another protocol')
    t.equal(await upgrade(socketUrl(await ticketOf(session)), { origin: 'null' }), 101, 'an opaque origin, as our page has')
  })

  await t.test('an accepted WebSocket has an id, as other answers have', async t => {
    const socket = new WebSocket(socketUrl(await ticketOf(session)).replace('http', 'ws'), 'binary')
    t.teardown(() => socket.terminate())
    const [answer] = await once(socket, 'upgrade') as [IncomingMessage]
    t.ok(answer.headers['x-request-id'])
  })

  await t.test('Xpra greets a viewer and answers its pings', async t => {
    await assertAnswered(t, session, 'both')
  })

  await t.test('what could hide a packet, or is none of a viewer\'s, closes the connection', async t => {
    const forbidden: Record<string, [Buffer | string, number]> = {
      'a compressed packet': [packet('xxxx', { level: 1 }), 1003],
      'an encrypted packet': [packet('l4:pingi1ee', { flags: 2 }), 1003],
      'a part of a packet': [packet('l4:pingi1ee', { index: 1 }), 1003],
      'two packets in one message': [Buffer.concat([PING, PING]), 1003],
      'half a packet': [PING.subarray(0, -2), 1003],
      'no packet': [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1003],
      text: ['l4:pingi1ee', 1003],
      'shutdown-server': [packet('l15:shutdown-servere'), 1008],
      'exit-server': [packet('l11:exit-servere'), 1008],
      'start-command': [packet('l13:start-command4:evil10:/bin/touche'), 1008],
      command_request: [packet('l15:command_requeste'), 1008],
      'info-request': [packet('l12:info-requestl0:eee'), 1008],
      logging: [packet('l7:loggingi20e4:evile'), 1008],
      'send-file': [packet('l9:send-file4:evile'), 1008],
      'a name that only begins like one': [packet('l9:ping-evili1ee'), 1008]
    }
    for (const [what, [message, expected]] of Object.entries(forbidden)) {
      const viewer = await view(t, session)
      viewer.send(message)
      const [code] = await once(viewer, 'close')
      t.equal(code, expected, what)
    }
    const fragments = await view(t, session)
    fragments.send(PING.subarray(0, 4), { fin: false })
    fragments.send(PING.subarray(4), { fin: true })
    t.equal((await once(fragments, 'close'))[0], 1003, 'a fragmented message')
    const raw = await view(t, session)
    const { _socket: socket } = raw as unknown as { _socket: { write (bytes: Buffer): void } }
    socket.write(clientFrame(PING, { reserved: 0x40 }))
    t.equal((await once(raw, 'close'))[0], 1002, 'a compressed frame')
    const shown = await (await fetch(`${server.url}/sessions/${session.id}`)).json() as { state: string, health: string }
    t.match(shown, { state: 'ready', health: 'ok' }, 'the session is unharmed')
    await view(t, session)
    t.pass('and takes viewers')
  })

  await t.test('when a viewer is gone, so is its connection to the display', async t => {
    const { displayPort } = otherFacts.slot // nobody has looked at this one: what closes late cannot be counted
    const viewers = await Promise.all([1, 2, 3].map(() => view(t, other)))
    await eventually('a connection for each viewer', () => connections(displayPort) === 3)
    viewers[0]!.close()
    viewers[1]!.terminate()
    viewers[2]!.send('text')
    await eventually('the connections are gone: closed, broken off, or thrown out', () => connections(displayPort) === 0, 60_000)
  })

  await t.test('a viewer that never reads does not hold up the others', async t => {
    const slow = await view(t, session)
    slow.pause()
    for (let i = 0; i < 20_000; i++) slow.send(PING)
    await assertAnswered(t, session, 'another viewer is answered')
  })

  await t.test('other addresses below the session go to its Xpra, without rights for what they answer', async t => {
    const response = await fetch(`${session.url}connect.html`, { headers: { cookie: 'secret=1', authorization: 'Bearer secret' } })
    t.equal(response.status, 200, 'a file of Xpra\'s own')
    t.match(response.headers.get('content-security-policy'), /sandbox/)
    t.strictSame([response.headers.get('cache-control'), response.headers.get('x-content-type-options')], ['no-store', 'nosniff'])
    const allowed = /^(content-|accept-ranges|etag|last-modified|date|x-content-type-options|cache-control|referrer-policy|cross-origin-resource-policy|connection|keep-alive|transfer-encoding|vary|access-control|x-request-id|x-accel-buffering)/
    t.strictSame([...response.headers.keys()].filter(name => !allowed.test(name)), [], 'no header of its choice')
    t.equal((await fetch(`${session.url}connect.html`, { method: 'POST' })).status, 405, 'nothing is posted there')
  })

  await t.test('a session that has ended is found by nobody', async t => {
    const ticket = await ticketOf(other)
    const viewer = await view(t, other)
    const closed = once(viewer, 'close')
    t.equal((await endSession(server, other.id)).status, 200)
    await closed
    t.equal(await upgrade(socketUrl(ticket, other)), 403, 'the socket: its tickets have ended with it')
    for (const path of ['', 'index.html', 'connect.html', 'state']) t.equal((await fetch(other.url + path, { redirect: 'manual' })).status, 404, path)
  })
})

/** A viewer's TCP connection, spliced to a display on `port`; both ends of it. */
async function splicedTo (t: Test, port: number) {
  const listener = createTcpServer().listen(0, '127.0.0.1')
  t.teardown(() => { listener.close() })
  await once(listener, 'listening')
  const near = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const [far] = await once(listener, 'connection')
  t.teardown(() => { near.destroy(); far.destroy() })
  await spliceDisplay(far, { head: Buffer.alloc(0), key: 'dGhlIHNhbXBsZSBub25jZQ==', requestId: '4f0c', port, filter: { pass: frame => frame.raw }, over: new AbortController().signal, thrownOut: () => {} })
  return { near, far }
}

t.test('A display\'s own end of the connection', async t => {
  const display = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'binary' })
  t.teardown(() => display.close())
  await once(display, 'listening')
  const { port } = display.address() as AddressInfo

  await t.test('the code with which either end closes reaches the other', async t => {
    display.once('connection', socket => socket.close(4321, 'over'))
    const closed = await splicedTo(t, port)
    let heard = Buffer.alloc(0)
    closed.near.on('data', chunk => { heard = Buffer.concat([heard, chunk]) })
    await eventually('a close frame', () => heard.includes('over'))
    const frame = heard.subarray(heard.indexOf('\r\n\r\n') + 4)
    t.strictSame([frame[0], frame.readUInt16BE(2)], [0x88, 4321], 'the display\'s')
    closed.near.write(clientFrame(frame.subarray(2), { opcode: 8 }))
    await once(closed.near, 'close')

    const codes = new Promise(resolve => display.once('connection', socket => socket.once('close', resolve)))
    const leaving = await splicedTo(t, port)
    leaving.near.write(clientFrame(Buffer.from([0x10, 0xe2]), { opcode: 8 }))
    t.equal(await codes, 4322, 'the viewer\'s')
  })

  await t.test('what a viewer does not read is not read from the display', async t => {
    let sent = 0
    display.once('connection', async socket => {
      const block = Buffer.alloc(1024 * 1024)
      for (; sent < 256 && socket.readyState === WebSocket.OPEN; sent++) {
        socket.send(block)
        while (socket.bufferedAmount > 0 && socket.readyState === WebSocket.OPEN) await delay(5)
      }
    })
    const { near, far } = await splicedTo(t, port)
    near.pause()
    await eventually('the splice holds back', () => far.writableNeedDrain, 30_000)
    await delay(1000)
    t.ok(sent < 64, `${sent} of 256 MiB went out`)
    t.ok(far.writableLength < 8 * 1024 * 1024, `${far.writableLength} bytes wait`)
    near.resume()
    await eventually('all of it', () => sent === 256, 60_000)
    t.equal(sent, 256, 'all of it comes once the viewer reads')
  })

  await t.test('one that is no WebSocket server is refused, before the viewer hears anything', async t => {
    const asked: IncomingHttpHeaders[] = []
    const web = createServer((request, response) => { asked.push(request.headers); response.end('hello') }).listen(0, '127.0.0.1')
    t.teardown(() => { web.closeAllConnections(); web.close() })
    await once(web, 'listening')
    await t.rejects(splicedTo(t, (web.address() as AddressInfo).port), DisplayUnreachable)
    t.equal(asked.length, 1)
    t.strictSame(Object.keys(asked[0]!).filter(name => /cookie|authorization|origin/.test(name)), [])
  })
})
