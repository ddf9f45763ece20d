import { encode, isTooDeep, type Bencoded } from './bencode.ts'
import { LOOKING_PACKETS, plainPacket } from './looking-packets.ts'
import type { ShareMode } from './share.ts'
import { checkHello, LOOKING_HELLO, readPacket } from './viewer-hello.ts'
import { binaryFrame, ProtocolViolation, type Frame } from './websocket-frames.ts'
import { readPlace, type WindowPlaces } from './window-places.ts'
import { INPUT_PACKETS, isViewerPacket, packetName, packetOf, unpack } from './xpra-packets.ts'

/** Who looks at a display. */
export interface Viewing {
  mode: ShareMode
  /** Hears of every packet by which a person acts. */
  acted (): void
  /** Whether nobody looks who may act: whoever does says how large the windows are. */
  isUnattended (): boolean
  /** The session's windows. */
  places: WindowPlaces
}

/** What goes on to the display of one viewer's message, as a frame; undefined when nothing does. @throws {ProtocolViolation} */
export type ViewerFilter = (frame: Frame) => Buffer | undefined

/** The filter of one connection: in each of its messages is one packet that this viewer may send, and it greets once. */
export function viewerFilter ({ mode, acted, isUnattended, places }: Viewing): ViewerFilter {
  let hasGreeted = false

  function greetOnce (): void {
    if (hasGreeted) throw new ProtocolViolation(1008, 'a viewer greets once')
    hasGreeted = true
  }

  function control (frame: Frame): Buffer {
    const name = packetName(frame)
    if (!isViewerPacket(name)) throw new ProtocolViolation(1008, 'a viewer may not send this packet')
    const packet = unpack(frame)
    if (isTooDeep(packet)) throw new ProtocolViolation(1008, 'a packet is too deep') // Xpra would not survive it
    if (name === 'hello') {
      greetOnce()
      checkHello(packet)
    }
    if (name === 'map-window' || name === 'configure-window') notePlace(packet)
    if (INPUT_PACKETS.has(name)) acted()
    return frame.raw
  }

  function notePlace (packet: Buffer): void {
    const found = readPlace(readPacket(packet))
    if (found) places.put(found.id, found.place)
  }

  function look (frame: Frame): Buffer | undefined {
    const name = packetName(frame)
    if (!LOOKING_PACKETS.has(name)) throw new ProtocolViolation(1008, 'who only looks may not send this packet')
    if (name === 'hello') {
      greetOnce()
      return frameOf(LOOKING_HELLO)
    }
    const packet = readPacket(unpack(frame))
    if (name === 'map-window') return isUnattended() ? frameOf(mapAsItIs(packet)) : undefined
    return frameOf(plainPacket(packet))
  }

  /** Xpra shows a window when a viewer has mapped it: where and as large as it is, and nothing else about it. @throws {ProtocolViolation} */
  function mapAsItIs (packet: Bencoded[]): Bencoded[] {
    const wanted = readPlace(packet)
    if (!wanted) throw new ProtocolViolation(1008, 'a window has a place and a size')
    return ['map-window', wanted.id, ...places.of(wanted.id, wanted.place), new Map(), new Map()]
  }

  return mode === 'view' ? look : control
}

function frameOf (packet: Bencoded[]): Buffer {
  return binaryFrame(packetOf(Buffer.from(encode(packet), 'latin1')))
}
