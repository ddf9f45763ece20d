import { HEADER_BYTES } from './xpra-packets.ts'

/** The length of a packet's beginning that holds a window's id and place. */
const TELLING_BYTES = 128
/** The most windows open at a time that are followed. */
const MOST = 1000
const PLACED = /^l(?:10:new-window|18:window-move-resize)i(\d{1,9})ei(-?\d{1,5})ei(-?\d{1,5})ei([1-9]\d{0,4})ei([1-9]\d{0,4})e/
const RESIZED = /^l14:window-resizedi(\d{1,9})ei([1-9]\d{0,4})ei([1-9]\d{0,4})e/
const LOST = /^l11:lost-windowi(\d{1,9})e/
/** The first bytes of all these packets. */
const [LIST, ONE] = [...Buffer.from('l1')]

/** x and y of the corner, width and height, pixels. */
export type Place = [x: number, y: number, width: number, height: number]

/**
 * The places of a display's windows, read from its packets to one viewer, which are not compressed (`LOOKING_HELLO`).
 * Pictures come before their packet, as chunks of their own. Only the beginning of each chunk is kept.
 */
export class WindowPlaces {
  readonly #places = new Map<number, Place>()
  /** The beginning of the present chunk, with its header. All chunks share this buffer, because the sender may send chunks of any size. */
  readonly #head = Buffer.alloc(HEADER_BYTES + TELLING_BYTES)
  /** Number of bytes in the buffer. */
  #known = 0
  /** Number of bytes of the chunk that are still to come. */
  #left = 0

  /** The window's place, if it is open and the display has sent one. */
  of (id: number): Place | undefined {
    return this.#places.get(id)
  }

  /** Reads the next bytes: those of `chunk` from `at` to `end`. Packets may be cut anywhere. */
  read (chunk: Buffer, at: number, end: number): void {
    while (at < end) {
      while (this.#known < HEADER_BYTES && at < end) this.#head[this.#known++] = chunk[at++]!
      if (this.#known < HEADER_BYTES) return
      if (this.#known === HEADER_BYTES && this.#left === 0) this.#left = this.#head.readUInt32BE(4)
      const taken = Math.min(this.#left, end - at)
      const kept = Math.min(taken, this.#head.length - this.#known)
      for (let i = 0; i < kept; i++) this.#head[this.#known++] = chunk[at + i]!
      this.#left -= taken
      at += taken
      if (this.#left > 0) return
      this.#note()
      this.#known = 0
    }
  }

  #note (): void {
    const head = this.#head
    const [compression, chunk] = [head[2], head[3]]
    if (compression !== 0 || chunk !== 0) return // a picture is not read as a packet
    if (this.#known < HEADER_BYTES + 2 || head[HEADER_BYTES] !== LIST || head[HEADER_BYTES + 1] !== ONE) return
    const packet = head.toString('latin1', HEADER_BYTES, this.#known)
    const [, placed, ...place] = PLACED.exec(packet) ?? []
    if (placed) return this.#set(Number(placed), place.map(Number) as Place)
    const [, resized, ...size] = RESIZED.exec(packet) ?? []
    const [x, y] = this.#places.get(Number(resized)) ?? []
    if (x !== undefined && y !== undefined) return this.#set(Number(resized), [x, y, ...size.map(Number)] as Place)
    this.#places.delete(Number(LOST.exec(packet)?.[1]))
  }

  #set (id: number, place: Place): void {
    if (this.#places.has(id) || this.#places.size < MOST) this.#places.set(id, place)
  }
}
