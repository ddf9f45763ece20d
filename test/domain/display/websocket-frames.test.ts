import t from 'tap'
import { ClientFrames, closePayload, controlFrame, FrameBoundaries, OPCODE, ProtocolViolation } from '#domain/display/websocket-frames.ts'
import { clientFrame, serverFrame } from '#support/inputs/frames.ts'

const MAX = 1 << 20

function readAll (chunks: Buffer[], max = MAX) {
  const frames = new ClientFrames(max)
  return chunks.flatMap(chunk => [...frames.read(chunk)])
}

t.test('a client\'s frames are found wherever the network cuts them', async t => {
  const payloads = [Buffer.alloc(0), Buffer.from('short'), Buffer.alloc(125, 'a'), Buffer.alloc(126, 'b'), Buffer.alloc(300, 'c')]
  const sent = payloads.map(payload => clientFrame(payload))
  const all = Buffer.concat(sent)
  for (let cut = 0; cut <= all.length; cut++) {
    const frames = readAll([all.subarray(0, cut), all.subarray(cut)])
    if (frames.length !== payloads.length || frames.some(({ payload }, i) => !payload.equals(payloads[i]!))) t.fail(`cut at ${cut}`)
    if (!Buffer.concat(frames.map(({ raw }) => raw)).equals(all)) t.fail(`raw bytes changed, cut at ${cut}`)
  }
  const bytewise = readAll([...all].map(byte => Buffer.from([byte])))
  t.strictSame(bytewise.map(({ payload }) => payload.toString()), payloads.map(String), 'byte by byte')
  t.equal(readAll([all]).length, payloads.length, 'all at once')
})

t.test('a long frame with an eight-byte length is read, and its sender\'s bytes stay as they were', async t => {
  const payload = Buffer.alloc(70_000, 'x')
  const sent = clientFrame(payload)
  const before = Buffer.from(sent)
  const [frame] = readAll([sent])
  t.ok(frame?.payload.equals(payload))
  t.ok(frame?.raw.equals(before), 'raw is still masked')
})

t.test('the RFC\'s own examples are understood', async t => {
  const [hello] = readAll([Buffer.from('818537fa213d7f9f4d5158', 'hex')])
  t.match(hello, { final: true, opcode: OPCODE.text })
  t.equal(hello?.payload.toString(), 'Hello')
})

t.test('fragments and control frames keep their marks', async t => {
  const frames = readAll([clientFrame('one', { opcode: OPCODE.binary, final: false }), clientFrame('hi', { opcode: OPCODE.ping }), clientFrame('two', { opcode: OPCODE.continuation })])
  t.strictSame(frames.map(({ final, opcode }) => [final, opcode]), [[false, OPCODE.binary], [true, OPCODE.ping], [true, OPCODE.continuation]])
})

t.test('a peer that breaks the protocol is cut off, with the code that says why', async t => {
  const table: [string, Buffer, number][] = [
    ['an unmasked frame', serverFrame('x'), 1002],
    ['the first reserved bit, which means compressed', clientFrame('x', { reserved: 0x40 }), 1002],
    ['the second reserved bit', clientFrame('x', { reserved: 0x20 }), 1002],
    ['the third reserved bit', clientFrame('x', { reserved: 0x10 }), 1002],
    ['a long ping', clientFrame(Buffer.alloc(126), { opcode: OPCODE.ping }), 1002],
    ['a fragmented close', clientFrame('', { opcode: OPCODE.close, final: false }), 1002],
    ['a payload above the limit', clientFrame(Buffer.alloc(101)), 1009]
  ]
  for (const [what, bytes, closeCode] of table) {
    t.throws(() => readAll([bytes], 100), { name: 'ProtocolViolation', closeCode }, what)
  }
  t.equal(readAll([clientFrame(Buffer.alloc(100))], 100).length, 1, 'a payload at the limit passes')
})

t.test('an announced length alone is enough to be cut off: nothing is buffered for it', async t => {
  const huge = Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
  t.throws(() => readAll([huge]), ProtocolViolation)
})

t.test('a server\'s stream is known to be at a boundary after each whole frame, and at no other byte', async t => {
  const sent = [serverFrame('hello'), serverFrame(''), serverFrame(Buffer.alloc(200)), serverFrame(Buffer.alloc(70_000)), clientFrame('masked')]
  const ends = new Set([0])
  let total = 0
  for (const frame of sent) ends.add(total += frame.length)
  const all = Buffer.concat(sent)
  const bytewise = new FrameBoundaries()
  let wrong = 0
  for (let i = 0; i < all.length; i++) {
    if (bytewise.atBoundary !== ends.has(i)) wrong++
    bytewise.follow(all.subarray(i, i + 1))
  }
  t.equal(wrong, 0, 'byte by byte')
  t.ok(bytewise.atBoundary)
  for (let cut = 1; cut < 300; cut++) {
    const halves = new FrameBoundaries()
    halves.follow(all.subarray(0, cut))
    if (halves.atBoundary !== ends.has(cut)) t.fail(`after ${cut} bytes`)
    halves.follow(all.subarray(cut))
    if (!halves.atBoundary) t.fail(`cut at ${cut}`)
  }
})

t.test('who reads along in a server\'s stream hears what its messages hold, and nothing of its frames and pings', async t => {
  const sent = Buffer.concat([serverFrame('hel'), serverFrame('ping', { opcode: OPCODE.ping }), serverFrame('', { final: false }), serverFrame('lo', { opcode: 0 }), serverFrame('x'.repeat(70_000)), serverFrame('', { opcode: OPCODE.close })])
  for (const size of [1, 7, 4096, sent.length]) {
    let heard = ''
    const along = new FrameBoundaries((chunk, start, end) => { heard += chunk.toString('utf8', start, end) })
    for (let at = 0; at < sent.length; at += size) along.follow(sent.subarray(at, at + size))
    t.ok(heard === `hello${'x'.repeat(70_000)}`, `in chunks of ${size}`)
  }
})

t.test('frames of our own are read back by a client and by a server', async t => {
  t.strictSame([...controlFrame(OPCODE.ping)], [0x89, 0])
  const [pong] = readAll([controlFrame(OPCODE.pong, Buffer.from('hi'), true)])
  t.match(pong, { final: true, opcode: OPCODE.pong })
  t.equal(pong?.payload.toString(), 'hi')
})

t.test('a close says its code, and a reason of any length fits into one frame', async t => {
  const payload = closePayload(1009, 'r'.repeat(500))
  t.equal(payload.readUInt16BE(0), 1009)
  t.ok(payload.length <= 125)
  const [frame] = readAll([controlFrame(OPCODE.close, payload, true)])
  t.equal(frame?.opcode, OPCODE.close)
})
