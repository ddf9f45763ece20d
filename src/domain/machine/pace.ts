/** Older ones say little about now. */
const KEPT = 100

/** How fast places have come free lately, and so how long a wait may be. */
export class Pace {
  readonly #freed: { at: number, owner: string }[] = []

  /** A place of this user came free. */
  note (owner: string, at: number): void {
    this.#freed.push({ at, owner })
    if (this.#freed.length > KEPT) this.#freed.shift()
  }

  /**
   * In how many milliseconds `count` more will have come free, if they go on as they did from the first that is known
   * until `now`; with `owner`, of this user's only. Null while fewer than two have: nothing is known then.
   */
  estimate (count: number, now: number, owner?: string): number | null {
    const times = this.#freed.filter(freed => owner === undefined || freed.owner === owner).map(({ at }) => at)
    const [first] = times
    if (first === undefined || times.length < 2) return null
    return Math.round(count * (now - first) / (times.length - 1))
  }
}
