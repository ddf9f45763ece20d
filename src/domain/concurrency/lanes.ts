import { failure } from '#errors.ts'

interface Lane { taken: number, waiting: (() => void)[] }

/** Limits the tasks of each owner that run at a time. Further tasks wait for their turn, first come, first served. */
export class Lanes {
  readonly #lanes: number
  readonly #mostWaiting: number
  readonly #owners = new Map<string, Lane>()

  constructor (lanes: number, mostWaiting: number) {
    this.#lanes = lanes
    this.#mostWaiting = mostWaiting
  }

  /**
   * Resolves when the turn has come, with the function that ends it.
   * @throws {Ex10Error} EX10_TOO_MANY_TRANSFERS when too many wait already; the reason of `signal` when it aborts
   */
  async enter (owner: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const lane = this.#owners.get(owner) ?? { taken: 0, waiting: [] }
    this.#owners.set(owner, lane)
    if (lane.taken < this.#lanes) lane.taken++
    else if (lane.waiting.length < this.#mostWaiting) await this.#wait(lane, signal)
    else throw failure('TOO_MANY_TRANSFERS')
    let isOver = false
    return () => {
      if (!isOver) this.#leave(owner, lane)
      isOver = true
    }
  }

  async #wait (lane: Lane, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const giveUp = () => {
      lane.waiting.splice(lane.waiting.indexOf(resolve), 1)
      reject(signal.reason)
    }
    lane.waiting.push(resolve)
    signal.addEventListener('abort', giveUp)
    await promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  #leave (owner: string, lane: Lane): void {
    const next = lane.waiting.shift() // the next one takes over the lane
    if (next) next()
    else if (--lane.taken === 0) this.#owners.delete(owner)
  }
}
