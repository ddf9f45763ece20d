/** The number of deaths that a program may have, and the pauses after them. */
export interface CrashLimit {
  /** The program is given up after this many deaths in a row, each before it had answered for `STABLE_MS`. */
  deaths: number
  /** The pause after the first death, the second…; the last one holds from then on. */
  pausesMs: readonly number[]
}

/** A program that has answered for this time is no longer in a crash loop. */
const STABLE_MS = 30_000

/** Decides what follows a death of one program. Times are of a monotonic clock, in milliseconds. */
export class CrashLoop {
  readonly #limit: CrashLimit
  #deaths = 0
  #raisedAt = 0
  #wellAt = 0

  constructor (limit: CrashLimit) {
    this.#limit = limit
  }

  /** Notes that the program answers. A program that only runs, and is killed because it does not answer, is in a loop all the same. */
  isWell (now: number): void {
    this.#wellAt = now
  }

  /** Notes a death. Returns the pause before the restart; undefined when the program is to be given up. */
  died (now: number): number | undefined {
    if (this.#wellAt - this.#raisedAt > STABLE_MS) this.#deaths = 0
    this.#deaths++
    if (this.#deaths > this.#limit.deaths) return undefined
    const { pausesMs } = this.#limit
    const pause = pausesMs[Math.min(this.#deaths, pausesMs.length) - 1] ?? 0
    this.#raisedAt = now + pause
    return pause
  }

  /** Forgets all deaths, for a new try. */
  forgive (): void {
    this.#deaths = 0
  }
}
