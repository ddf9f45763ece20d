/** The most freed places that are remembered. Older ones say little about the present rate. */
const KEPT = 100

/** The rate at which places came free lately, from which it estimates waits. */
export class Pace {
  readonly #freed: { at: number, owner: string }[] = []

  /** Notes that a place of this user came free. */
  note (owner: string, at: number): void {
    this.#freed.push({ at, owner })
    if (this.#freed.length > KEPT) this.#freed.shift()
  }

  /**
   * The milliseconds until `count` more places will have come free, at the rate from the first known one until `now`. With
   * `owner`, counts this user's places only. Null until two have been freed.
   */
  estimate (count: number, now: number, owner?: string): number | null {
    const times = this.#freed.filter(freed => owner === undefined || freed.owner === owner).map(({ at }) => at)
    const [first] = times
    if (first === undefined || times.length < 2) return null
    return Math.round(count * (now - first) / (times.length - 1))
  }
}
