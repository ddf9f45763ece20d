/** Xpra counts windows up for as long as it runs: more than this, nobody has. */
const MOST = 10_000

/** The windows of a session, by Xpra's ids, that somebody who looks has had shown: they have their place, and who only looks gives them no other. */
export class ShownWindows {
  readonly #ids = new Set<number>()

  /** The window is shown from now on. Returns whether it was not before. */
  show (id: number): boolean {
    if (this.#ids.has(id) || this.#ids.size >= MOST) return false
    this.#ids.add(id)
    return true
  }
}
