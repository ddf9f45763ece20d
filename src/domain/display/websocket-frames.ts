import { isUtf8 } from 'node:buffer'

/** WebSocket frames (RFC 6455, section 5), as far as passing them on safely requires. No extension is ever negotiated. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame: its raw bytes, and its unmasked payload. */
export interface Frame {
  final: boolean
  opcode: number
  payload: Buffer
  raw: Buffer
}

/** The content of a close frame: a code, and a reason of at most 120 bytes. */
export interface Farewell { closeCode: number, message: string }

/** The peer broke the protocol, or a rule of this server: the connection is closed with `closeCode`. */
export class ProtocolViolation extends Error implements Farewell {
  override readonly name = 'ProtocolViolation'
  readonly closeCode: number

  constructor (closeCode: number, message: string) {
    super(message)
    this.closeCode = closeCode
  }
}

interface Header { final: boolean, reserved: number, opcode: number, masked: boolean, headerLength: number, payloadLength: number }

/** Parses a frame's header, or returns undefined while bytes of it are missing. */
function parseHeader (bytes: Buffer): Header | undefined {
  if (bytes.length < 2) return undefined
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  const masked = (second & 0x80) !== 0
  const headerLength = 2 + extended + (masked ? 4 : 0)
  if (bytes.length < headerLength) return undefined
  const payloadLength = extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  return { final: (first & 0x80) !== 0, reserved: first & 0x70, opcode: first & 0x0f, masked, headerLength, payloadLength }
}

const MOST_CHUNKS = 1000

/** Cuts the bytes of a client into frames. Client frames are masked; a payload has at most `maxPayload` bytes. */
export class ClientFrames {
  readonly #maxPayload: number
  #chunks: Buffer[] = []
  #length = 0
  /** Number of bytes below which another parse is useless: the sender may send chunks of any size. */
  #needed = 0

  constructor (maxPayload: number) {
    this.#maxPayload = maxPayload
  }

  /** @throws {ProtocolViolation} */
  * read (chunk: Buffer): Generator<Frame, void, undefined> {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#needed) {
      if (this.#chunks.length === MOST_CHUNKS) this.#chunks = [Buffer.concat(this.#chunks)] // each chunk has overhead in memory
      return
    }
    let pending = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    for (;;) {
      const header = parseHeader(pending)
      if (header) this.#check(header)
      const length = header ? header.headerLength + header.payloadLength : pending.length + 1
      if (!header || pending.length < length) {
        this.#chunks = [pending]
        this.#length = pending.length
        this.#needed = length
        return
      }
      const raw = pending.subarray(0, length)
      pending = pending.subarray(length)
      const payload = unmask(raw, header.headerLength)
      if (header.opcode === OPCODE.close) checkClose(payload)
      yield { final: header.final, opcode: header.opcode, payload, raw }
    }
  }

  #check ({ reserved, opcode, masked, payloadLength, final }: Header): void {
    if (!masked) throw new ProtocolViolation(1002, 'a client\'s frame is not masked')
    if (reserved !== 0) throw new ProtocolViolation(1002, 'a reserved bit is set: no extension was negotiated')
    if (opcode >= OPCODE.close && (payloadLength > 125 || !final)) throw new ProtocolViolation(1002, 'a control frame is long or fragmented')
    if (payloadLength > this.#maxPayload) throw new ProtocolViolation(1009, 'a frame is too long')
  }
}

/** A close frame is empty, or holds a code that may be sent and a reason in UTF-8. */
function checkClose (payload: Buffer): void {
  if (payload.length === 0) return
  const code = payload.length === 1 ? 0 : payload.readUInt16BE(0)
  const isCode = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  if (!isCode) throw new ProtocolViolation(1002, 'the close code is not valid')
  if (!isUtf8(payload.subarray(2))) throw new ProtocolViolation(1007, 'the reason is not UTF-8')
}

function unmask (raw: Buffer, headerLength: number): Buffer {
  const payload = Buffer.from(raw.subarray(headerLength))
  for (let i = 0; i < payload.length; i++) payload[i]! ^= raw[headerLength - 4 + (i & 3)]!
  return payload
}

const EMPTY = Buffer.alloc(0)
const LONGEST_HEADER = 14

/** Receives bytes of a message: those of `chunk` from `start` to `end`. */
export type OnData = (chunk: Buffer, start: number, end: number) => void

/**
 * Follows a server's stream of frames, which is passed on unchanged, to find the boundaries at which a frame of ours may be
 * inserted. Calls `onData`, if given, with the bytes of the messages.
 */
export class FrameBoundaries {
  readonly #onData: OnData | undefined
  #head: Buffer = EMPTY
  #left = 0
  #isData = false

  constructor (onData?: OnData) {
    this.#onData = onData
  }

  /** Whether all frames so far are whole. */
  get atBoundary (): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  follow (chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const end = Math.min(at + this.#left, chunk.length)
        if (this.#isData) this.#onData?.(chunk, at, end)
        this.#left -= end - at
        at = end
        continue
      }
      const known = this.#head.length
      const bytes = chunk.subarray(at, at + LONGEST_HEADER - known)
      const head = known === 0 ? bytes : Buffer.concat([this.#head, bytes]) // the sender may send frames of any size
      const header = parseHeader(head)
      if (!header) {
        this.#head = Buffer.from(head)
        return
      }
      if (known > 0) this.#head = EMPTY
      this.#left = header.payloadLength
      this.#isData = header.opcode < OPCODE.close
      at += header.headerLength - known
    }
  }
}

const NO_MASK = Buffer.alloc(4)

/** A message from us to a server: one frame, masked (with zeros). */
export function binaryFrame (payload: Buffer): Buffer {
  const isLong = payload.length > 0xffff
  const head = Buffer.alloc(payload.length < 126 ? 2 : isLong ? 10 : 4)
  head[0] = 0x80 | OPCODE.binary
  head[1] = 0x80 | (payload.length < 126 ? payload.length : isLong ? 127 : 126)
  if (isLong) head.writeBigUInt64BE(BigInt(payload.length), 2)
  else if (head.length > 2) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, NO_MASK, payload])
}

/** A control frame from us: short, final; masked (with zeros) when it goes to a server. */
export function controlFrame (opcode: number, payload: Buffer = Buffer.alloc(0), masked = false): Buffer {
  const head = Buffer.from([0x80 | opcode, (masked ? 0x80 : 0) | payload.length])
  return Buffer.concat(masked ? [head, NO_MASK, payload] : [head, payload])
}

/** The payload of a close frame. */
export function closePayload (code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(code)
  return Buffer.concat([payload, Buffer.from(reason).subarray(0, 120)])
}
