import { setTimeout as delay } from 'node:timers/promises'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { Ex10Error, failure } from '#errors.ts'

/** How a server reaches its store, as operators read it. */
export interface StoreState {
  /** Since when the store has not answered; undefined while it does. */
  awaySince: Date | undefined
  /** The number of writes that wait for it. */
  waiting: number
  /** The number of writes that were dropped since the server's start, because too many waited. */
  dropped: number
}

export type StoreNews = (news: 'away' | 'back' | 'dropping' | 'failed', error?: unknown) => void

interface Write { number: number, work: () => Promise<unknown>, bytes: number }

export interface StoreLinkOptions {
  /** Asks the store for something small. Rejects when the store does not answer. */
  probe: () => Promise<unknown>
  /** The most writes that wait, and the most bytes of them. */
  most?: { writes: number, bytes: number }
  /** The time between two looks at a store that answers; the first and the longest time between two attempts to reach one that does not; how long a probe waits for its answer. */
  ms?: { watch: number, retry: number, longestRetry: number, probe: number }
}

/**
 * The connection to a store on another machine, which may be away: it knows the state of it, refuses calls in the meantime
 * at once, and keeps the writes that may be made later. They are made in their order, as soon as the store is back.
 */
export class StoreLink {
  readonly #probe: () => Promise<unknown>
  readonly #most: { writes: number, bytes: number }
  readonly #ms: { watch: number, retry: number, longestRetry: number, probe: number }
  readonly #listeners = new Listeners<Parameters<StoreNews>>()
  readonly #pending = new Set<(error: unknown) => void>()
  readonly #waiting: Write[] = []
  #bytes = 0
  #calls = 0
  #dropped = 0
  #away: { since: Date, isReturning: boolean } | undefined
  #looking: Promise<void> | undefined

  constructor ({ probe, most = { writes: 10_000, bytes: 16 * 1024 * 1024 }, ms = { watch: 2000, retry: 500, longestRetry: 5000, probe: 3000 } }: StoreLinkOptions) {
    this.#probe = probe
    this.#most = most
    this.#ms = ms
  }

  get state (): StoreState {
    return { awaySince: this.#away?.since, waiting: this.#waiting.length, dropped: this.#dropped }
  }

  /** Tells `listener`, which must not throw, when the store goes away, comes back, and when the first waiting write is dropped. `failed`: the store refused a write that had waited. */
  onNews (listener: StoreNews): void {
    this.#listeners.add(listener)
  }

  /** The answer of the store. @throws {Ex10Error} EX10_STORE_UNAVAILABLE at once while it is away, and as soon as it is found to be away */
  async ask<Answer> (question: () => Promise<Answer>): Promise<Answer> {
    if (this.#isAway) throw failure('STORE_UNAVAILABLE')
    const { promise: gone, reject } = Promise.withResolvers<never>()
    this.#pending.add(reject)
    try {
      return await Promise.race([question(), gone])
    } catch (error) {
      if (isUnavailable(error)) this.#look()
      throw error
    } finally {
      this.#pending.delete(reject)
    }
  }

  /**
   * Makes a write now, or, while the store is away, when it is back, in the order of these calls. Resolves when it is made, or
   * kept for later. `work` may be called again after a failure: it must not be done twice. `bytes` is the memory that it keeps.
   */
  async later (work: () => Promise<unknown>, bytes: number): Promise<void> {
    const number = ++this.#calls
    if (!this.#away && this.#waiting.length === 0) {
      try {
        await work()
        return
      } catch (error) {
        if (!isUnavailable(error)) throw error
        this.#look()
      }
    }
    this.#keep({ number, work, bytes })
  }

  /** Asks the store for a sign of life. @throws {Ex10Error} EX10_STORE_UNAVAILABLE */
  async check (): Promise<void> {
    await this.ask(() => this.#inTime())
  }

  /** Looks at the store now and then, until the signal aborts. */
  async watch (signal: AbortSignal): Promise<void> {
    let tries = 0
    while (await this.#pause(tries, signal)) {
      await this.#look()
      tries = this.#away ? tries + 1 : 0
    }
  }

  /** Makes the writes that wait, if the store answers within some seconds. Resolves with how many could not be made. */
  async flush (): Promise<number> {
    if (this.#waiting.length > 0) await Promise.race([this.#look(), delay(2 * this.#ms.probe, undefined, { ref: false })])
    return this.#waiting.length
  }

  get #isAway (): boolean {
    return this.#away !== undefined && !this.#away.isReturning
  }

  #pause (tries: number, signal: AbortSignal): Promise<boolean> {
    const { watch, retry, longestRetry } = this.#ms
    const ms = tries === 0 ? watch : Math.min(retry * 2 ** (tries - 1), longestRetry)
    return delay(ms, true, { signal, ref: false }).catch(() => false)
  }

  /** Finds out whether the store answers, and makes the writes that wait. Calls meanwhile join it. */
  #look (): Promise<void> {
    this.#looking ??= this.#inTime().then(() => this.#makeWaiting()).then(() => this.#back(), error => this.#lose(error)).finally(() => { this.#looking = undefined })
    return this.#looking
  }

  async #inTime (): Promise<void> {
    const timer = new AbortController()
    const late = delay(this.#ms.probe, undefined, { signal: timer.signal, ref: false }).then(() => { throw new Error('it did not answer in time') })
    try {
      await Promise.race([this.#probe(), late])
    } catch (cause) {
      throw isUnavailable(cause) ? cause : failure('STORE_UNAVAILABLE', { cause })
    } finally {
      timer.abort()
    }
  }

  #lose (error: unknown): void {
    const isNew = !this.#away
    this.#away = { since: this.#away?.since ?? new Date(), isReturning: false }
    for (const reject of this.#pending) reject(failure('STORE_UNAVAILABLE', { cause: error }))
    if (isNew) this.#listeners.tell('away', error)
  }

  #back (): void {
    if (!this.#away) return
    this.#away = undefined
    this.#listeners.tell('back')
  }

  async #makeWaiting (): Promise<void> {
    if (this.#away) this.#away.isReturning = true
    while (this.#waiting[0]) {
      const [first] = this.#waiting
      try {
        await first.work()
      } catch (error) {
        if (isUnavailable(error)) throw error
        this.#listeners.tell('failed', error) // it would fail each time: the next ones must not wait for it
      }
      this.#forget(this.#waiting.indexOf(first))
    }
  }

  #keep (write: Write): void {
    const before = this.#waiting.findLastIndex(({ number }) => number < write.number) // later calls may have failed earlier
    this.#waiting.splice(before + 1, 0, write)
    this.#bytes += write.bytes
    while (this.#waiting.length > this.#most.writes || this.#bytes > this.#most.bytes) {
      this.#forget(0)
      this.#dropped++
      if (this.#dropped === 1) this.#listeners.tell('dropping')
    }
  }

  /** Forgets the write at this place; -1: it was dropped meanwhile. */
  #forget (at: number): void {
    if (at >= 0) this.#bytes -= this.#waiting.splice(at, 1)[0]?.bytes ?? 0
  }
}

/** Whether an error means that the store does not answer. */
export function isUnavailable (error: unknown): boolean {
  return error instanceof Ex10Error && error.code === 'EX10_STORE_UNAVAILABLE'
}
