/**
 * Returns a function that runs `work`, one run at a time. Calls during a run share the one run that follows it, so every
 * call is answered by a whole run that began after the call.
 */
export function coalesce (work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running.catch(() => {}).then(() => { // the callers of the earlier run get its error
      next = undefined
      running = work()
      return running
    })
    return next
  }
}
