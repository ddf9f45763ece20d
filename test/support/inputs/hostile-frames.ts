import { clientFrame, serverFrame } from './frames.ts'

/** An Xpra packet in its envelope. */
export function packet (content: string | Buffer, { magic = 0x50, flags = 0, level = 0, index = 0, length = Buffer.byteLength(content) } = {}): Buffer {
  const head = Buffer.from([magic, flags, level, index, 0, 0, 0, 0])
  head.writeUInt32BE(length, 4)
  return Buffer.concat([head, Buffer.from(content as string)])
}

export const PING = packet('l4:pingi1234ee')

/** What a viewer might send, and the code with which it is closed; 0 where the connection is only broken off. */
export interface HostileFrames { name: string, pieces: Buffer[], code: number }

const one = (name: string, bytes: Buffer, code: number): HostileFrames => ({ name, pieces: [bytes], code })
const close = (code: number, reason: string | Buffer = '') => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)])

/** A masked header that announces this length in 8 bytes. */
function announcing (length: bigint, first = 0x82): Buffer {
  const bytes = Buffer.alloc(14)
  bytes.set([first, 0xff])
  bytes.writeBigUInt64BE(length, 2)
  return bytes
}

const frames: HostileFrames[] = [
  one('a frame without a mask', serverFrame(PING), 1002), one('a ping without a mask', serverFrame('', { opcode: 9 }), 1002), one('a close without a mask', serverFrame(close(1000), { opcode: 8 }), 1002),
  ...[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70].map(reserved => one(`the reserved bits ${reserved.toString(16)}`, clientFrame(PING, { reserved }), 1002)),
  ...[8, 9, 10].map(opcode => one(`a reserved bit on the control frame ${opcode}`, clientFrame('', { opcode, reserved: 0x40 }), 1002)),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(opcode => one(`the opcode ${opcode}`, clientFrame(PING, { opcode }), 1003)),
  ...[11, 15].map(opcode => one(`the long control opcode ${opcode}`, clientFrame('x'.repeat(126), { opcode }), 1002)),
  ...[8, 9, 10].flatMap(opcode => [one(`a control frame ${opcode} of 126 bytes`, clientFrame('x'.repeat(126), { opcode }), 1002), one(`a control frame ${opcode} of 64 KiB`, clientFrame('x'.repeat(65_536), { opcode }), 1002),
    one(`a control frame ${opcode} in parts`, clientFrame('x', { opcode, final: false }), 1002)]),
  ...[2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 2n ** 32n, 4n * 1024n * 1024n + 1n].map(length => one(`a length of ${length}`, announcing(length), 1009)),
  one('a continuation of nothing', clientFrame(PING, { opcode: 0 }), 1003), one('an unfinished continuation of nothing', clientFrame(PING, { opcode: 0, final: false }), 1003),
  one('a first part', clientFrame(PING.subarray(0, 4), { final: false }), 1003), one('an empty first part', clientFrame('', { final: false }), 1003),
  { name: 'a message in parts', pieces: [clientFrame(PING.subarray(0, 4), { final: false }), clientFrame(PING.subarray(4), { opcode: 0 })], code: 1003 },
  { name: 'parts with a ping between', pieces: [clientFrame(PING, { final: false }), clientFrame('', { opcode: 9 }), clientFrame('', { opcode: 0 })], code: 1003 },
  { name: 'a new message within a message', pieces: [clientFrame(PING, { final: false }), clientFrame(PING)], code: 1003 },
  one('text', clientFrame('l4:pingi1ee', { opcode: 1 }), 1003), one('text that is no UTF-8', clientFrame(Buffer.from([0xff, 0xfe, 0xc0, 0x80]), { opcode: 1 }), 1003), one('a packet as text', clientFrame(PING, { opcode: 1 }), 1003),
  one('a close of one byte', clientFrame('x', { opcode: 8 }), 1002),
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535].map(code => one(`a close with ${code}`, clientFrame(close(code), { opcode: 8 }), 1002)),
  ...[[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]].map(bytes => one(`a close with the bytes ${bytes}`, clientFrame(close(1000, Buffer.from(bytes)), { opcode: 8 }), 1007)),
  { name: 'a bad frame, byte for byte', pieces: [...clientFrame(packet('l15:shutdown-servere'))].map(byte => Buffer.from([byte])), code: 1008 },
  { name: 'HTTP instead of frames', pieces: [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')], code: 1002 },
  { name: 'zeros', pieces: [Buffer.alloc(1000)], code: 1002 }, { name: 'ones', pieces: [Buffer.alloc(1000, 0xff)], code: 1002 }
]

const envelopes: [name: string, message: Buffer][] = [
  ['nothing', Buffer.alloc(0)], ['one byte', Buffer.from('P')], ['half an envelope', PING.subarray(0, 7)], ['an envelope without a packet', packet('')], ['half a packet', PING.subarray(0, -1)],
  ['a packet and a byte', Buffer.concat([PING, Buffer.from('x')])], ['two packets', Buffer.concat([PING, PING])], ['a packet and a hidden one', Buffer.concat([PING, packet('l15:shutdown-servere')])],
  ['no envelope', Buffer.from('l4:pingi1234ee')], ['another magic byte', packet('l4:pinge', { magic: 0x51 })], ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')], ['SSH', Buffer.from('SSH-2.0-x\r\n')], ['TLS', Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 3])], ['RFB', Buffer.from('RFB 003.008\n')],
  ...[1, 2, 4, 8, 16, 0x80, 0xff].map(flags => [`the flags ${flags}`, packet('l4:pinge', { flags })] as [string, Buffer]),
  ...[1, 2, 9, 0x10, 0x20, 0x40, 0x80, 0xff].map(level => [`the compression ${level}`, packet('l4:pinge', { level })] as [string, Buffer]),
  ...[1, 2, 7, 0x80, 0xff].map(index => [`the chunk ${index}`, packet('l4:pinge', { index })] as [string, Buffer]),
  ...[0, 1, 7, 9, 0x7fffffff, 0x80000000, 0xffffffff].map(length => [`a length of ${length}`, packet('l4:pinge', { length })] as [string, Buffer]),
  ...['4:pinge', 'd4:pinge', 'i4e', 'l', 'le', 'l0:e', 'l-1:e', 'l4:pin', 'l99:pinge', 'l4ping', 'l04ping', 'll4:pingee', 'l100:pinge', 'li4ee', 'l4 :pinge', 'l+4:pinge', 'l4:'].map(text => [`the packet ${text}`, packet(text)] as [string, Buffer])
]

const names = ['shutdown-server', 'exit-server', 'start-command', 'command_request', 'command-signal', 'info-request', 'logging', 'send-file', 'send-file-chunk', 'open-url', 'print', 'printers', 'rpc', 'sound-control', 'sound-data', 'webcam-start', 'webcam-frame',
  'lock-toggle', 'control', 'suspend-server', 'file-request', 'send-data-request', 'add-webcam', 'notification-action', 'set-clipboard-enabled', 'set-notify', 'encoding', 'auto-refresh', 'quality', 'min-quality', 'speed', 'screenshot', 'ssh', 'unknown', 'Ping', 'PING', 'ping ',
  'ping\0', 'pin', 'ping-evil', '\u00e9', 'a'.repeat(60), '__proto__', 'constructor', 'toString', 'disconnect', 'gss', 'challenge', 'server-settings', 'input-devices']

/** What no viewer may send; none of it may reach the display. */
export const HOSTILE_FRAMES: HostileFrames[] = [
  ...frames,
  ...envelopes.map(([name, message]) => one(name, clientFrame(message), 1003)),
  ...names.map(name => one(`the packet ${JSON.stringify(name)}`, clientFrame(packet(`l${Buffer.byteLength(name)}:${name}e`)), Buffer.byteLength(name) > 60 ? 1003 : 1008))
]
