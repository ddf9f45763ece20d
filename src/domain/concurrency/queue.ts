/** Makes a queue: each work that it is given begins when the one before it has ended, well or not. */
export function newQueue (): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const done = last.then(work)
    last = done.catch(() => {}) // its caller's: the next one begins
    return done
  }
}
