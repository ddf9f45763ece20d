/** Returns a queue: each task that is given to it begins when the task before has ended, successfully or not. */
export function newQueue (): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const done = last.then(work)
    last = done.catch(() => {}) // its caller gets the error; the next task begins
    return done
  }
}
