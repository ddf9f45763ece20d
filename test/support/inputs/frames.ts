/** WebSocket frames as peers send them, well-formed or not. */
export interface FrameOptions { opcode?: number, final?: boolean, reserved?: number }

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

function header (length: number, { opcode = 2, final = true, reserved = 0 }: FrameOptions, masked: boolean): Buffer {
  const first = (final ? 0x80 : 0) | reserved | opcode
  const bit = masked ? 0x80 : 0
  if (length < 126) return Buffer.from([first, bit | length])
  if (length < 65_536) return Buffer.from([first, bit | 126, length >> 8, length & 0xff])
  const bytes = Buffer.alloc(10)
  bytes.set([first, bit | 127])
  bytes.writeBigUInt64BE(BigInt(length), 2)
  return bytes
}

/** A masked frame. */
export function clientFrame (payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const plain = Buffer.from(payload as string)
  return Buffer.concat([header(plain.length, options, true), MASK, plain.map((byte, i) => byte ^ MASK[i & 3]!)])
}

export function serverFrame (payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const plain = Buffer.from(payload as string)
  return Buffer.concat([header(plain.length, options, false), plain])
}
