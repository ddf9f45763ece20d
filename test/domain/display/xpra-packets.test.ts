import t from 'tap'
import { ClientFrames, type Frame } from '#domain/display/websocket-frames.ts'
import { packetName } from '#domain/display/xpra-packets.ts'
import { clientFrame, type FrameOptions } from '#support/inputs/frames.ts'

/** An Xpra packet: 'P', flags, compression, chunk index, length, then a rencodeplus or bencode list. */
function packet (body: string, head: { flags?: number, level?: number, index?: number, length?: number, magic?: string } = {}): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.write(head.magic ?? 'P', 'latin1')
  bytes.set([head.flags ?? 0, head.level ?? 0, head.index ?? 0], 1)
  bytes.writeUInt32BE(head.length ?? body.length, 4)
  return Buffer.concat([bytes, Buffer.from(body, 'latin1')])
}

function frame (payload: Buffer, options: FrameOptions = {}): Frame {
  const [read] = [...new ClientFrames(1 << 20).read(clientFrame(payload, options))]
  return read!
}

t.test('a packet\'s name is read, so that a person\'s input is told from a heartbeat', async t => {
  const table: [string, string][] = [
    ['l4:pingi1ee', 'ping'], ['l10:key-actioni1e1:aee', 'key-action'], ['l16:pointer-positioni1ee', 'pointer-position'],
    ['l5:helloe' + 'x'.repeat(10_000), 'hello'], ['l1:xe', 'x'], ['l13:button-actione', 'button-action']
  ]
  for (const [body, name] of table) t.equal(packetName(frame(packet(body))), name)
})

t.test('the name is the same wherever the network cut the frame', async t => {
  const sent = clientFrame(packet('l10:key-actioni1e1:aee'))
  for (let cut = 0; cut <= sent.length; cut++) {
    const frames = new ClientFrames(1 << 20)
    const read = [...frames.read(sent.subarray(0, cut)), ...frames.read(sent.subarray(cut))]
    if (read.length !== 1 || packetName(read[0]!) !== 'key-action') t.fail(`cut at ${cut}`)
  }
  t.pass(`${sent.length + 1} cuts`)
})

t.test('a message that could hide a packet from whoever looks at names closes the connection', async t => {
  const good = packet('l4:pingi1ee')
  const table: [string, Frame][] = [
    ['two packets in one message', frame(Buffer.concat([good, packet('l10:key-actione')]))],
    ['half a packet', frame(good.subarray(0, good.length - 1))],
    ['a length that is longer than the message', frame(packet('l4:pinge', { length: 1000 }))],
    ['a length that is shorter than the message', frame(packet('l4:pinge', { length: 3 }))],
    ['a length of zero', frame(packet('l4:pinge', { length: 0 }))],
    ['a compressed packet (lz4)', frame(packet('l4:pinge', { level: 0x11 }))],
    ['a compressed packet (brotli)', frame(packet('l4:pinge', { level: 0x41 }))],
    ['a chunk', frame(packet('l4:pinge', { index: 1 }))],
    ['an encrypted packet', frame(packet('l4:pinge', { flags: 2 }))],
    ['a packet of another encoder', frame(packet('l4:pinge', { flags: 0x10 }))],
    ['a fragmented message', frame(good, { final: false })],
    ['the end of a fragmented message', frame(good, { opcode: 0 })],
    ['a text message', frame(good, { opcode: 1 })],
    ['no packet at all', frame(Buffer.from('GET / HTTP/1.1\r\n'))],
    ['less than a header', frame(Buffer.from('P'))],
    ['an empty message', frame(Buffer.alloc(0))],
    ['another first letter', frame(packet('l4:pinge', { magic: 'Q' }))],
    ['a body without a name', frame(packet('le'))],
    ['a name that is longer than the body', frame(packet('l40:pinge'))],
    ['a name of no letters', frame(packet('l0:e'))],
    ['a name with a negative length', frame(packet('l-1:e'))],
    ['a list that begins with a number', frame(packet('li1ee'))],
    ['a dictionary', frame(packet('d4:pingi1ee'))]
  ]
  for (const [what, message] of table) t.throws(() => packetName(message), { name: 'ProtocolViolation', closeCode: 1003 }, what)
  t.equal(packetName(frame(good)), 'ping', 'and the same packet alone passes')
})
