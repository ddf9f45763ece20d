import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ClientFrames, closePayload, controlFrame, FrameBoundaries, OPCODE, ProtocolViolation, type Farewell, type Frame } from '#domain/display/websocket-frames.ts'
import type { ViewerFilter } from '#domain/display/viewer-filter.ts'

const HANDSHAKE_MS = 10_000
const HANDSHAKE_BYTES = 16_384
const MAX_MESSAGE = 4 * 1024 * 1024
const PING_MS = 15_000
const SILENCE_MS = 45_000
/** How long a frame of the display's may take to end before the viewer is told to go. */
const FAREWELL_MS = 1000
const PROTOCOL = 'binary'

/** The display did not accept the connection. */
export class DisplayUnreachable extends Error {
  override readonly name = 'DisplayUnreachable'
}

/** The two ends of a viewer's connection, and what may pass. */
export interface SpliceOptions {
  /** The first bytes after the viewer's request. */
  head: Buffer
  /** The id of the viewer's request, for the answer. */
  requestId: string
  /** The viewer's Sec-WebSocket-Key. */
  key: string
  /** The port of the display. */
  port: number
  filter: ViewerFilter
  /** Closes the connection when it aborts; its reason, a `Farewell`, gives the close code and text. */
  over: AbortSignal
  /** Called when the viewer broke the protocol, before its connection is closed. */
  thrownOut: (violation: ProtocolViolation) => void
}

/**
 * Opens a WebSocket to the display on `port`, and answers the viewer's handshake only when the display has accepted.
 * From then on, the display's bytes go to the viewer unchanged, and `filter` decides about each of the viewer's messages.
 * Both ends are pinged, and when one closes, the other is closed.
 * @throws {DisplayUnreachable} before the first byte is sent to the viewer
 */
export async function spliceDisplay (viewer: Duplex, options: SpliceOptions): Promise<void> {
  const { head, key, requestId, port, over } = options
  const display = connect({ host: '127.0.0.1', port, noDelay: true })
  const first = await handshake(display, key, port)
  if (viewer.destroyed || over.aborted) { // the viewer has gone or was thrown out in the meantime
    display.destroy()
    viewer.destroy()
    return
  }
  viewer.write(['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `X-Request-Id: ${requestId}`,
    `Sec-WebSocket-Accept: ${acceptOf(key)}`, `Sec-WebSocket-Protocol: ${PROTOCOL}`, '', ''].join('\r\n'))
  splice(viewer, display, options)
  if (first.length > 0) display.emit('data', first)
  if (head.length > 0) viewer.emit('data', head)
}

/** Resolves with the bytes that followed the display's 101. */
async function handshake (display: Socket, key: string, port: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let answer = Buffer.alloc(0)
  const fail = (error?: Error) => reject(new DisplayUnreachable('the display did not accept', { cause: error }))
  const onData = (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk])
    const end = answer.indexOf('\r\n\r\n')
    if (end === -1) return answer.length > HANDSHAKE_BYTES ? fail() : undefined
    const lines = answer.subarray(0, end).toString('latin1').split('\r\n')
    const accepted = lines.some(line => line.toLowerCase().startsWith('sec-websocket-accept:') && line.endsWith(acceptOf(key)))
    if (lines[0]?.startsWith('HTTP/1.1 101') && accepted) resolve(answer.subarray(end + 4))
    else fail()
  }
  display.on('data', onData).on('error', fail).on('close', fail)
  const timer = setTimeout(fail, HANDSHAKE_MS)
  display.write(['GET / HTTP/1.1', `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Protocol: ${PROTOCOL}`, '', ''].join('\r\n'))
  try {
    return await promise
  } catch (error) {
    display.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    display.off('data', onData).off('error', fail).off('close', fail)
  }
}

function splice (viewer: Duplex, display: Socket, { filter, over, thrownOut }: SpliceOptions): void {
  const frames = new ClientFrames(MAX_MESSAGE)
  const boundaries = new FrameBoundaries(filter.readAlong)
  let viewerHeard = performance.now()
  let displayHeard = performance.now()

  display.on('data', (chunk: Buffer) => {
    displayHeard = performance.now()
    boundaries.follow(chunk)
    if (!viewer.write(chunk)) display.pause()
    if (over.aborted) sayFarewell()
  })
  viewer.on('drain', () => display.resume())

  viewer.on('data', (chunk: Buffer) => {
    viewerHeard = performance.now()
    if (over.aborted) return
    display.cork() // one write for all messages of the chunk
    try {
      for (const frame of frames.read(chunk)) {
        const passed = isControl(frame.opcode) ? passOn(frame) : filter.pass(frame)
        if (passed && !display.write(passed)) viewer.pause()
        // Xpra closes without an answer: we send the viewer its own close code back
        if (frame.opcode === OPCODE.close && boundaries.atBoundary) viewer.end(controlFrame(OPCODE.close, frame.payload))
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error
      throwOut(error)
      thrownOut(error)
    } finally {
      display.uncork()
    }
  })
  display.on('drain', () => viewer.resume())

  const pings = setInterval(() => {
    if (performance.now() - Math.min(viewerHeard, displayHeard) > SILENCE_MS) return closeBoth()
    // within a frame, bytes are flowing: no ping is needed
    if (boundaries.atBoundary) viewer.write(controlFrame(OPCODE.ping))
    display.write(controlFrame(OPCODE.ping, undefined, true))
  }, PING_MS)

  over.addEventListener('abort', onOver)

  function onOver (): void {
    setTimeout(closeBoth, FAREWELL_MS).unref()
    sayFarewell()
  }

  /** Waits for the end of a frame of the display: no other frame may be inserted within it. */
  function sayFarewell (): void {
    if (boundaries.atBoundary) throwOut(over.reason as Farewell)
  }

  function throwOut ({ closeCode, message }: Farewell): void {
    if (boundaries.atBoundary) viewer.end(controlFrame(OPCODE.close, closePayload(closeCode, message)))
    closeBoth()
  }

  let isClosing = false
  function closeBoth (): void {
    if (isClosing) return
    isClosing = true
    clearInterval(pings)
    over.removeEventListener('abort', onOver)
    display.destroy()
    // the last write (a close frame with its code) still goes out
    viewer.end()
    setTimeout(() => viewer.destroy(), 1000).unref()
  }
  for (const socket of [viewer, display]) {
    socket.on('error', closeBoth)
    socket.on('end', closeBoth)
    socket.on('close', closeBoth)
  }
}

const isControl = (opcode: number) => opcode === OPCODE.ping || opcode === OPCODE.pong || opcode === OPCODE.close

/** A viewer's pongs answer our pings, so they are not passed on. */
function passOn ({ opcode, raw }: Frame): Buffer | undefined {
  return opcode === OPCODE.pong ? undefined : raw
}

function acceptOf (key: string): string {
  return createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
}
