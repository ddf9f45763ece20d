import { encode, isShallow, type Bencoded } from './bencode.ts'
import { LOOKING_PACKETS, plainPacket } from './looking-packets.ts'
import type { ShareMode } from './share.ts'
import type { ShownWindows } from './shown-windows.ts'
import { checkHello, LOOKING_HELLO, readPacket } from './viewer-hello.ts'
import { binaryFrame, ProtocolViolation, type Frame } from './websocket-frames.ts'
import { INPUT_PACKETS, isViewerPacket, packetName, packetOf, unpack } from './xpra-packets.ts'

/** Who looks at a display. */
export interface Viewing {
  mode: ShareMode
  /** Hears of every packet by which a person acts. */
  acted (): void
  /** Whether nobody looks who may act: whoever does says how large the windows are. */
  isUnattended (): boolean
  /** The session's windows. */
  windows: ShownWindows
}

/** What goes on to the display of one viewer's message, as a frame; undefined when nothing does. @throws {ProtocolViolation} */
export type ViewerFilter = (frame: Frame) => Buffer | undefined

/** The filter of one connection: in each of its messages is one packet that this viewer may send, and it greets once. */
export function viewerFilter ({ mode, acted, isUnattended, windows }: Viewing): ViewerFilter {
  let hasGreeted = false

  function greetOnce (): void {
    if (hasGreeted) throw new ProtocolViolation(1008, 'a viewer greets once')
    hasGreeted = true
  }

  function control (frame: Frame): Buffer {
    const name = packetName(frame)
    if (!isViewerPacket(name)) throw new ProtocolViolation(1008, 'a viewer may not send this packet')
    const packet = unpack(frame)
    if (!isShallow(packet)) throw new ProtocolViolation(1003, 'a packet is too deep, or none') // Xpra would not survive it
    if (name === 'hello') {
      greetOnce()
      checkHello(packet)
    }
    if (name === 'map-window' || name === 'configure-window') noteShown(packet)
    if (INPUT_PACKETS.has(name)) acted()
    return frame.raw
  }

  function noteShown (packet: Buffer): void {
    const [, id] = readPacket(packet)
    if (isId(id)) windows.show(id)
  }

  function look (frame: Frame): Buffer | undefined {
    const name = packetName(frame)
    if (!LOOKING_PACKETS.has(name)) throw new ProtocolViolation(1008, 'who only looks may not send this packet')
    if (name === 'hello') {
      greetOnce()
      return frameOf(LOOKING_HELLO)
    }
    const packet = readPacket(unpack(frame))
    if (name !== 'map-window') return frameOf(plainPacket(packet))
    const map = mapAsItIs(packet)
    return isUnattended() && windows.show(map.id) ? frameOf(map.packet) : undefined
  }

  return mode === 'view' ? look : control
}

/** The largest display that a session is made with, pixels. */
const [WIDEST, HIGHEST] = [3840, 2160]

/** Xpra shows a window when a viewer has mapped it: where and as large as the page says that it is, and nothing else about it. @throws {ProtocolViolation} */
function mapAsItIs ([, id, ...rest]: Bencoded[]): { id: number, packet: Bencoded[] } {
  const place = rest.slice(0, 4)
  const [x, y, width, height] = place.map(value => Number.isInteger(value) ? Number(value) : NaN) as [number, number, number, number]
  const isPlace = Math.abs(x) <= WIDEST && Math.abs(y) <= HIGHEST && width > 0 && width <= WIDEST && height > 0 && height <= HIGHEST
  if (!isId(id) || !isPlace) throw new ProtocolViolation(1008, 'a window has a place and a size')
  return { id, packet: ['map-window', id, ...place, new Map(), new Map()] }
}

function isId (value: Bencoded | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function frameOf (packet: Bencoded[]): Buffer {
  return binaryFrame(packetOf(Buffer.from(encode(packet), 'latin1')))
}
