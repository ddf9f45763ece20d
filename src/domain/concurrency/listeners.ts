/** A list of functions that are all called with the same arguments, in the order in which they were added. */
export class Listeners<News extends unknown[]> {
  readonly #all = new Set<{ hear: (...news: News) => void }>()

  get size (): number {
    return this.#all.size
  }

  /** Adds `hear`: every later `tell` calls it, until the returned function is called. */
  add (hear: (...news: News) => void): () => void {
    const listener = { hear }
    this.#all.add(listener)
    return () => { this.#all.delete(listener) }
  }

  /**
   * Calls every present listener.
   * @throws {AggregateError} with the errors of listeners, after all have been called
   */
  tell (...news: News): void {
    const errors: unknown[] = []
    for (const listener of [...this.#all]) {
      if (!this.#all.has(listener)) continue // an earlier one removed it
      try {
        listener.hear(...news)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'listeners failed')
  }
}
