/** The most windows that are remembered. Xpra counts window ids up for as long as it runs; no real session comes near this. */
const MOST = 10_000

/** The windows of a session, by Xpra's ids, that a viewer has mapped. They have their place; a viewer with the mode `view` maps none of them again. */
export class ShownWindows {
  readonly #ids = new Set<number>()

  /** Notes that the window is mapped. Returns true if it was not mapped before. */
  show (id: number): boolean {
    if (this.#ids.has(id) || this.#ids.size >= MOST) return false
    this.#ids.add(id)
    return true
  }
}
