/**
 * A sequence with several readers. Each reads it from its first item, also when it has ended. The sequence goes on while it
 * has a reader: when the last one leaves, the signal of its source aborts with that reader's reason.
 */
export class Shared<Item> {
  /** Resolves with the first item. Rejects when the source fails before it. */
  readonly begun: Promise<void>
  /** Resolves when the source has ended, by an error, too. */
  readonly over: Promise<void>
  readonly #items: Item[] = []
  readonly #abandoned = new AbortController()
  readonly #begun = Promise.withResolvers<void>()
  #news = Promise.withResolvers<void>()
  #readers = 0
  #end: { error?: unknown } | undefined

  /** Runs `source` at once. Add a reader in the same step. */
  constructor (source: (abandoned: AbortSignal) => AsyncIterable<Item>) {
    this.begun = this.#begun.promise
    this.begun.catch(() => {}) // the readers get the error
    this.over = this.#run(source(this.#abandoned.signal))
  }

  /** Whether its last reader has left. Then it is about to end. */
  get isAbandoned (): boolean {
    return this.#abandoned.signal.aborted
  }

  /**
   * Adds a reader, until `left` aborts. The items of the last reader go on after that, to the source's end. Those of another
   * reader end with the reason of `left`, as an error.
   */
  read (left: AbortSignal): AsyncGenerator<Item, void, undefined> {
    this.#readers++
    if (left.aborted) this.#leave(left.reason)
    else left.addEventListener('abort', () => this.#leave(left.reason), { once: true })
    return this.#itemsFor(left)
  }

  async * #itemsFor (left: AbortSignal): AsyncGenerator<Item, void, undefined> {
    for (let next = 0; ;) {
      if (left.aborted && !this.isAbandoned) throw left.reason
      if (next < this.#items.length) yield this.#items[next++]!
      else if (this.#end) break
      else await this.#news.promise
    }
    if ('error' in this.#end) throw this.#end.error
  }

  async #run (source: AsyncIterable<Item>): Promise<void> {
    try {
      for await (const item of source) {
        this.#items.push(item)
        this.#begun.resolve()
        this.#tell()
      }
      this.#end = {}
      this.#begun.resolve()
    } catch (error) {
      this.#end = { error }
      this.#begun.reject(error)
    }
    this.#tell()
  }

  #leave (reason: unknown): void {
    this.#readers--
    if (this.#readers === 0) this.#abandoned.abort(reason)
    this.#tell()
  }

  #tell (): void {
    const { resolve } = this.#news
    this.#news = Promise.withResolvers<void>()
    resolve()
  }
}
