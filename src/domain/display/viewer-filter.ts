import { encode, isShallow, type Bencoded } from './bencode.ts'
import { LOOKING_PACKETS, plainPacket } from './looking-packets.ts'
import type { ShareMode } from '#domain/access/share.ts'
import type { ShownWindows } from './shown-windows.ts'
import { checkHello, LOOKING_HELLO, readPacket } from './viewer-hello.ts'
import { binaryFrame, ProtocolViolation, type Frame, type OnData } from './websocket-frames.ts'
import { WindowPlaces } from './window-places.ts'
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

/** What stands between one viewer and the display. */
export interface ViewerFilter {
  /** What goes on to the display of a message of the viewer's, as a frame; undefined when nothing does. @throws {ProtocolViolation} */
  pass (frame: Frame): Buffer | undefined
  /** Where it matters what the display sends: reads that, packets without the frames around them, on its way to the viewer. */
  readAlong?: OnData
}

/** The filter of one connection: in each of its messages is one packet that this viewer may send, and it greets once. */
export function viewerFilter ({ mode, acted, isUnattended, windows }: Viewing): ViewerFilter {
  const places = new WindowPlaces()
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
    return mapAsItIs(packet)
  }

  /** Xpra shows a window when a viewer has mapped it: where and as large as the display itself says that it is. */
  function mapAsItIs ([, id]: Bencoded[]): Buffer | undefined {
    if (!isId(id)) throw new ProtocolViolation(1008, 'a window has a number')
    const place = places.of(id)
    return place && isUnattended() && windows.show(id) ? frameOf(['map-window', id, ...place, new Map(), new Map()]) : undefined
  }

  return mode === 'view' ? { pass: look, readAlong: (chunk, start, end) => places.read(chunk, start, end) } : { pass: control }
}

function isId (value: Bencoded | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function frameOf (packet: Bencoded[]): Buffer {
  return binaryFrame(packetOf(Buffer.from(encode(packet), 'latin1')))
}
