/** How often a program may die, and how long it stays down each time. */
export interface CrashLimit {
  /** It is given up when it has died so often in a row, each time before it had been well for long. */
  deaths: number
  /** The pause after the first death, the second…; the last one holds from then on. */
  pausesMs: readonly number[]
}

/** A program that is well for so long is no longer in a crash loop. */
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

  /** The program answers. One that only runs, and is killed for its silence, is in a loop all the same. */
  isWell (now: number): void {
    this.#wellAt = now
  }

  /** How long the program is to stay down now that it has died; undefined gives it up. */
  died (now: number): number | undefined {
    if (this.#wellAt - this.#raisedAt > STABLE_MS) this.#deaths = 0
    this.#deaths++
    if (this.#deaths > this.#limit.deaths) return undefined
    const { pausesMs } = this.#limit
    const pause = pausesMs[Math.min(this.#deaths, pausesMs.length) - 1] ?? 0
    this.#raisedAt = now + pause
    return pause
  }

  /** Forgets all deaths: somebody wants to try again. */
  forgive (): void {
    this.#deaths = 0
  }
}
