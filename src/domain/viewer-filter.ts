import { encode, type Bencoded } from './bencode.ts'
import type { ShareMode } from './share.ts'
import { checkHello, LOOKING_HELLO, readPacket } from './viewer-hello.ts'
import { binaryFrame, ProtocolViolation, type Frame } from './websocket-frames.ts'
import { INPUT_PACKETS, isViewerPacket, LOOKING_PACKETS, packetName, packetOf, unpack } from './xpra-packets.ts'

/** Who looks at a display. */
export interface Viewing {
  mode: ShareMode
  /** Hears of every packet by which a person acts. */
  acted (): void
  /** Whether nobody looks who may act: whoever does says how large the windows are. */
  isUnattended (): boolean
}

/** What goes on to the display of one viewer's message, as a frame; undefined when nothing does. @throws {ProtocolViolation} */
export type ViewerFilter = (frame: Frame) => Buffer | undefined

/** The filter of one connection: in each of its messages is one packet that this viewer may send, and it greets once. */
export function viewerFilter ({ mode, acted, isUnattended }: Viewing): ViewerFilter {
  let hasGreeted = false

  function greetOnce (): void {
    if (hasGreeted) throw new ProtocolViolation(1008, 'a viewer greets once')
    hasGreeted = true
  }

  function control (frame: Frame): Buffer {
    const name = packetName(frame)
    if (!isViewerPacket(name)) throw new ProtocolViolation(1008, 'a viewer may not send this packet')
    if (name === 'hello') {
      greetOnce()
      checkHello(unpack(frame))
    }
    if (INPUT_PACKETS.has(name)) acted()
    return frame.raw
  }

  function look (frame: Frame): Buffer | undefined {
    const name = packetName(frame)
    if (!LOOKING_PACKETS.has(name)) throw new ProtocolViolation(1008, 'who only looks may not send this packet')
    if (name === 'hello') {
      greetOnce()
      return frameOf(LOOKING_HELLO)
    }
    if (name === 'map-window') return isUnattended() ? frameOf(mapAsItIs(readPacket(unpack(frame)))) : undefined
    return frame.raw
  }

  return mode === 'view' ? look : control
}

/** The largest display that a session is made with, pixels. */
const [WIDEST, HIGHEST] = [3840, 2160]

/** Xpra shows a window when a viewer has mapped it: where and as large as it is, and nothing else about it. @throws {ProtocolViolation} */
function mapAsItIs ([, ...rest]: Bencoded[]): Bencoded[] {
  const numbers = rest.slice(0, 5)
  const isGood = numbers.length === 5 && numbers.every((value, i) => Number.isInteger(value) && isWithin(Number(value), i))
  if (!isGood) throw new ProtocolViolation(1008, 'a window has a place and a size')
  return ['map-window', ...numbers, new Map(), new Map()]
}

/** Of a window: its id, its place, and its size. */
function isWithin (value: number, i: number): boolean {
  if (i === 0) return value > 0
  const most = i % 2 === 1 ? WIDEST : HIGHEST
  return i < 3 ? Math.abs(value) <= most : value > 0 && value <= most
}

function frameOf (packet: Bencoded[]): Buffer {
  return binaryFrame(packetOf(Buffer.from(encode(packet), 'latin1')))
}
