import { encode, isShallow, type Bencoded } from './bencode.ts'
import { LOOKING_PACKETS, plainPacket } from './looking-packets.ts'
import type { ShareMode } from '#domain/access/share.ts'
import type { ShownWindows } from './shown-windows.ts'
import { checkHello, LOOKING_HELLO, readPacket } from './viewer-hello.ts'
import { binaryFrame, ProtocolViolation, type Frame, type OnData } from './websocket-frames.ts'
import { WindowPlaces } from './window-places.ts'
import { INPUT_PACKETS, isViewerPacket, packetName, packetOf, unpack } from './xpra-packets.ts'

/** A viewer of a display. */
export interface Viewing {
  mode: ShareMode
  /** Called with every packet by which a person acts. */
  acted (): void
  /** Tells whether no viewer with the mode `control` is connected: such a viewer decides the size of windows. */
  isUnattended (): boolean
  /** The session's windows. */
  windows: ShownWindows
}

/** The filter between one viewer and the display. */
export interface ViewerFilter {
  /** The frame that goes on to the display for a message of the viewer; undefined when none does. @throws {ProtocolViolation} */
  pass (frame: Frame): Buffer | undefined
  /** Reads the display's packets, without their frames, on their way to the viewer. Absent where the filter does not need them. */
  readAlong?: OnData
}

/** The filter of one connection. Each of its messages must hold one packet that this viewer may send; it may greet once. */
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
    if (!isShallow(packet)) throw new ProtocolViolation(1003, 'a packet is nested too deep, or malformed') // it would crash Xpra
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
    if (!LOOKING_PACKETS.has(name)) throw new ProtocolViolation(1008, 'a viewer with the mode view may not send this packet')
    if (name === 'hello') {
      greetOnce()
      return frameOf(LOOKING_HELLO)
    }
    const packet = readPacket(unpack(frame))
    if (name !== 'map-window') return frameOf(plainPacket(packet))
    return mapAsItIs(packet)
  }

  /** Xpra shows a window when a viewer has mapped it. The place and size in the packet are the display's own. */
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
