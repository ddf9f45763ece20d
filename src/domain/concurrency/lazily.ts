/** Makes something when it is first asked for, and keeps it. A failure is kept for `retryMs`; then it is tried again. */
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
