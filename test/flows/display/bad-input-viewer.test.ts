import { once } from 'node:events'
import { connect } from 'node:net'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { ErrorReply } from '#schemas/common.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { clientFrame } from '#support/inputs/frames.ts'
import { HOSTILE_FRAMES, PING } from '#support/inputs/hostile-frames.ts'
import { INSPECTED } from '#support/servers/inspector.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { exchange } from '#support/inputs/raw-http.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'
import { keptMemory } from '#support/servers/server-process.ts'
import { standInDisplay } from '#support/display/stand-in-display.ts'
import { tally } from '#support/servers/tally.ts'

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const REST = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n'

t.test('what no viewer may send closes its connection, with a code, and never reaches the display', async t => {
  const server = await serve(t, { ...lightDisplay(), ...INSPECTED })
  const session = await createSession(server)
  const display = await standInDisplay(t, server, session)
  const reached: Buffer[] = []
  display.on('connection', socket => socket.on('message', data => reached.push(data as Buffer)))
  const ticket = async () => /name="ex10-ticket" content="([\w-]+)"/.exec(await (await fetch(`${session.url}index.html`)).text())?.[1] ?? ''
  const head = async (more: string, { method = 'GET', host = 'localhost' } = {}) =>
    `${method} /session/${session.id}/socket?ticket=${await ticket()} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`

  /** Sends these on a connection that was accepted; resolves with the code of the close frame that comes back, 0 if none does. */
  async function closeCode (pieces: Buffer[]): Promise<number> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1').setNoDelay()
    const chunks: Buffer[] = []
    const closed = once(socket.on('error', () => {}), 'close')
    socket.on('data', chunk => chunks.push(chunk))
    socket.write(await head(KEY + REST))
    await eventually('an answer', () => Buffer.concat(chunks).includes('\r\n\r\n'))
    if (!Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(Buffer.concat(chunks).toString())
    for (const piece of pieces) {
      socket.write(piece)
      if (pieces.length > 1) await new Promise(resolve => setImmediate(resolve))
    }
    await closed
    const heard = Buffer.concat(chunks)
    const frame = heard.subarray(heard.indexOf('\r\n\r\n') + 4)
    return frame[0] === 0x88 && frame.length >= 4 ? frame.readUInt16BE(2) : 0
  }

  await t.test('frames and packets', async t => {
    for (const { name, pieces, code } of HOSTILE_FRAMES) t.equal(await closeCode(pieces), code, name)
    t.strictSame(reached, [], 'nothing of it reached the display')
    t.equal(await closeCode([clientFrame(PING), clientFrame(Buffer.from([3, 232]), { opcode: 8 })]), 1000, 'the control: a packet that a viewer may send, and a proper close')
    await eventually('it reached the display', () => reached.length > 0)
    t.strictSame(reached, [PING], 'and nothing before it')
    t.ok(HOSTILE_FRAMES.length >= 100)
    const told = (await pastEvents(server, session.id)).filter(({ type }) => type === 'viewer-thrown-out')
    t.match(told[0], { user: 'local', message: /^A viewer broke the protocol, and was thrown out: / }, 'it is an event')
    t.ok(told.length < 10, `though not each of them: ${told.length}`)
    const logged = server.output().split('\n').filter(line => line.includes('viewer thrown out')).map(line => JSON.parse(line))
    t.ok(logged.length >= HOSTILE_FRAMES.filter(({ code }) => code >= 1002).length, 'and each of them a line in the log')
    t.match(logged[0], { level: 40, sessionId: session.id, user: 'local', remoteAddress: '127.0.0.1', remotePort: Number, closeCode: Number, reason: String })
    tally(t, 'malformed WebSocket frames', HOSTILE_FRAMES.length)
  })

  await t.test('handshakes', async t => {
    const versioned = (version: string) => `Sec-WebSocket-Version: ${version}\r\nSec-WebSocket-Protocol: binary\r\n`
    const speaking = (protocol: string) => `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${protocol}\r\n`
    const table: [name: string, headers: string, status: number, line?: Parameters<typeof head>[1]][] = [
      ...['', 'eA==', '!!!!!!!!!!!!!!!!!!!!!!==', 'dGhlIHNhbXBsZSBub25jZQ==x', 'x dGhlIHNhbXBsZSBub25jZQ==', 'a'.repeat(10_000)].map(key => [`the key ${key.slice(0, 30)}`, `Sec-WebSocket-Key: ${key}\r\n${REST}`, 400] as [string, string, number]),
      ['no key', REST, 400], ['two keys', KEY + KEY + REST, 400], ['no version', `${KEY}Sec-WebSocket-Protocol: binary\r\n`, 400], ['no protocol', `${KEY}Sec-WebSocket-Version: 13\r\n`, 400],
      ...['', '0', '8', '12', '14', '13, 8', 'x', '13\r\nSec-WebSocket-Version: 13'].map(version => [`version ${JSON.stringify(version)}`, KEY + versioned(version), 400] as [string, string, number]),
      ...['', 'chat', 'Binary', 'binary2', 'xbinary', 'chat, superbinary'].map(protocol => [`protocol ${protocol}`, KEY + speaking(protocol), 400] as [string, string, number]),
      ['another method', KEY + REST, 405, { method: 'POST' }], ['an unknown host', KEY + REST, 421, { host: 'evil.example' }], ['two hosts', KEY + REST, 421, { host: 'localhost\r\nHost: localhost' }],
      ['another site\'s page', `${KEY}${REST}Origin: https://evil.example\r\n`, 403], ['two origins', `${KEY}${REST}Origin: null\r\nOrigin: https://evil.example\r\n`, 403]
    ]
    for (const [name, headers, status, line] of table) {
      const { answers } = await exchange(server.url, [await head(headers, line)], { answers: 1 })
      t.strictSame(answers.map(answer => answer.status), [status], name)
      t.ok(answers.every(({ headers, body }) => headers['x-request-id'] && Value.Check(ErrorReply, JSON.parse(body))), `${name}: in the one form, with an id`)
    }
    tally(t, 'malformed WebSocket handshakes', table.length)
  })
  await t.test('however many there are, they leave nothing in the server', async t => {
    const sendAll = async () => { for (const { pieces } of HOSTILE_FRAMES) await closeCode(pieces) }
    for (let round = 0; round < 3; round++) await sendAll() // until then it grows with compiled code
    const before = await keptMemory(server)
    for (let round = 0; round < 3; round++) await sendAll()
    const after = await keptMemory(server)
    t.ok(after < before * 1.05, `what it keeps grew from ${before} to ${after} KiB`)
  })
  t.equal((await endSession(server, session.id)).status, 200)
  display.close()
  await assertEndsClean(t, server)
})
