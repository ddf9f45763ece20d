/**
 * Makes of `work` a function that runs it one at a time: whoever calls while it runs shares the one run that follows,
 * so that every call is followed by a whole run that began after it.
 */
export function coalesce (work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running.catch(() => {}).then(() => { // the earlier run's callers have its error
      next = undefined
      running = work()
      return running
    })
    return next
  }
}
