/**
 * Yields the values of `source`. Whenever none came for `everyMs`, yields the last value again, changed by `again`: so a
 * person and the proxies in between see that a slow step is alive.
 */
export async function * withHeartbeat<T> (source: AsyncGenerator<T, void, undefined>, everyMs: number, again: (last: T) => T): AsyncGenerator<T, void, undefined> {
  let last: T | undefined
  try {
    for (;;) {
      const next = source.next()
      let result: IteratorResult<T, void> | undefined
      while (!(result = await settledWithin(next, everyMs))) {
        if (last !== undefined) yield again(last)
      }
      if (result.done) return
      last = result.value
      yield last
    }
  } finally {
    await source.return()
  }
}

async function settledWithin<T> (promise: Promise<T>, ms: number): Promise<T | undefined> {
  const { promise: elapsed, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(resolve, ms, undefined)
  try {
    return await Promise.race([promise, elapsed])
  } finally {
    clearTimeout(timer)
  }
}
