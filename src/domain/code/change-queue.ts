import { newQueue } from '#domain/concurrency/queue.ts'
import { failure } from '#errors.ts'

const MAX_WAITING = 10

/** The changes of one session's sources, one after the other. */
export class ChangeQueue {
  readonly inTurn = newQueue()
  #waiting = 0

  /**
   * Resolves with the result of `write`. `keep` follows behind that answer, but before the next change: a server that is killed
   * meanwhile leaves the files as this change made them.
   * @throws {Ex10Error} EX10_BUSY; errors of `write`
   */
  async run<Written> (write: () => Promise<Written>, keep: (written: Written) => Promise<void>): Promise<Written> {
    // each waiting push holds its files in memory, and a session can block its writer
    if (this.#waiting >= MAX_WAITING) throw failure('BUSY')
    this.#waiting++
    const { promise: answer, resolve, reject } = Promise.withResolvers<Written>()
    this.inTurn(async () => {
      const written = await write().finally(() => { this.#waiting-- })
      resolve(written)
      await keep(written)
    }).catch(reject)
    return await answer
  }
}
