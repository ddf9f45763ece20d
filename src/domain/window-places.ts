import type { Bencoded } from './bencode.ts'

/** Where a window is, and how large. */
export type Place = [x: number, y: number, width: number, height: number]

/** The largest display that a session is made with, pixels. */
const [WIDEST, HIGHEST] = [3840, 2160]
/** Xpra counts windows up for as long as it runs: of older ones, nobody asks. */
const MOST = 1000

/** Where a session's windows are, by Xpra's ids, as far as viewers have said: whoever only looks has them where others put them. */
export class WindowPlaces {
  readonly #places = new Map<number, Place>()

  /** The window is there now. */
  put (id: number, place: Place): void {
    this.#places.delete(id)
    this.#places.set(id, place)
    if (this.#places.size > MOST) this.#places.delete(this.#places.keys().next().value!)
  }

  forget (): void {
    this.#places.clear()
  }

  /** Where the window is; where nobody has put it yet, it is put where it is wanted. */
  of (id: number, wanted: Place): Place {
    if (!this.#places.has(id)) this.put(id, wanted)
    return this.#places.get(id)!
  }
}

/** The window and its place in a packet that maps or configures one; undefined when it has none that could be. */
export function readPlace ([, id, ...rest]: Bencoded[]): { id: number, place: Place } | undefined {
  const [x, y, width, height] = rest.slice(0, 4).map(value => Number.isInteger(value) ? Number(value) : NaN)
  const isGood = Number.isInteger(id) && Number(id) > 0 && Math.abs(x!) <= WIDEST && Math.abs(y!) <= HIGHEST && width! > 0 && width! <= WIDEST && height! > 0 && height! <= HIGHEST
  return isGood ? { id: Number(id), place: [x!, y!, width!, height!] } : undefined
}
