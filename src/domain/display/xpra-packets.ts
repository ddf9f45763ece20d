import { OPCODE, ProtocolViolation, type Frame } from './websocket-frames.ts'

/** The header of a packet, and of each chunk of one: the letter P, three flags, and the number of bytes that follow. */
export const HEADER_BYTES = 8
const MAGIC = 0x50 // 'P'

/**
 * The name of the Xpra packet in a client's message. A message is one binary frame that holds exactly one packet,
 * neither compressed nor chunked nor encrypted: another form could hide a packet from the check of names.
 * @throws {ProtocolViolation}
 */
export function packetName ({ final, opcode, payload }: Frame): string {
  if (opcode !== OPCODE.binary || !final) throw new ProtocolViolation(1003, 'a message is one binary frame')
  if (payload.length < HEADER_BYTES || payload[0] !== MAGIC) throw new ProtocolViolation(1003, 'this is not an Xpra packet')
  if (payload[1] !== 0 || payload[2] !== 0 || payload[3] !== 0) throw new ProtocolViolation(1003, 'a packet is neither encrypted, compressed nor chunked')
  if (payload.readUInt32BE(4) !== payload.length - HEADER_BYTES) throw new ProtocolViolation(1003, 'a message holds exactly one packet')
  const name = /^l(\d{1,2}):(.*)$/s.exec(payload.subarray(HEADER_BYTES, HEADER_BYTES + 64).toString('latin1'))
  const length = Number(name?.[1])
  if (!name?.[2] || !(length > 0 && length <= name[2].length)) throw new ProtocolViolation(1003, 'a packet begins with its name')
  return name[2].slice(0, length)
}

/** The packet of a message without its header. Call it after `packetName`, which checks the header. */
export function unpack ({ payload }: Frame): Buffer {
  return payload.subarray(HEADER_BYTES)
}

/** A packet with its header. */
export function packetOf (content: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = MAGIC
  header.writeUInt32BE(content.length, 4)
  return Buffer.concat([header, content])
}

/** Packets that a viewer sends when a person acts. */
export const INPUT_PACKETS: ReadonlySet<string> = new Set([
  'key-action', 'button-action', 'pointer-position', 'wheel-motion', 'clipboard-token'
])

/** All other packets that the display page sends. An idle viewer keeps sending some of them. */
const OTHER_PACKETS: ReadonlySet<string> = new Set([
  'hello', 'ping', 'ping_echo', 'damage-sequence', 'buffer-refresh', 'connection-data', 'suspend', 'resume',
  'desktop_size', 'map-window', 'configure-window', 'close-window', 'focus', 'layout-changed',
  'clipboard-contents', 'clipboard-contents-none'
])

/** Tells whether a viewer may send the packet. Xpra knows further packets, which would stop it or start programs. */
export function isViewerPacket (name: string): boolean {
  return INPUT_PACKETS.has(name) || OTHER_PACKETS.has(name)
}
