/** Returns a function that calls `make` at its first call and keeps the result. It keeps a failure for `retryMs`; the next call after that tries again. */
export function lazily<T> (make: () => Promise<T>, retryMs: number): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch(error => {
      setTimeout(() => { made = undefined }, retryMs).unref()
      throw error
    })
    return made
  }
}
