import { EventEmitter, once } from 'node:events'
import { failure, type Ex10Error } from '#errors.ts'
import type { Asker, Waiter } from '#domain/machine/places.ts'

/** A creation's wait for its place. */
export class Turn implements Waiter {
  readonly id: string
  readonly owner: string
  isAttended = false
  readonly #news = new EventEmitter()
  readonly #end = new AbortController()
  #position = 0
  #hasCome = false

  constructor ({ id, owner }: Asker) {
    this.id = id
    this.owner = owner
  }

  stands (position: number): void {
    this.#position = position
    this.#news.emit('news')
  }

  admit (): void {
    this.#hasCome = true
    this.#news.emit('news')
  }

  displace (): void {
    this.turnAway(failure('QUEUE_FULL'))
  }

  /** Ends the wait with this error, unless the turn has come. */
  turnAway (error: Ex10Error): void {
    this.#end.abort(error)
  }

  /**
   * Its position: at once, and whenever it changes, until its turn has come.
   * @throws the reason of `signal`; EX10_QUEUE_TIMEOUT when it has not come within `ms`; the error given to `turnAway`
   */
  async * positions (signal: AbortSignal, ms: number): AsyncGenerator<number, void, undefined> {
    const over = AbortSignal.any([signal, this.#end.signal])
    const timer = setTimeout(() => this.turnAway(failure('QUEUE_TIMEOUT')), ms)
    this.isAttended = true
    try {
      let told = 0
      while (!this.#hasCome) {
        over.throwIfAborted()
        if (told !== this.#position) yield told = this.#position
        else await once(this.#news, 'news', { signal: over }).catch(() => {}) // the next round throws the reason
      }
    } finally {
      clearTimeout(timer)
      this.isAttended = false
    }
  }
}
