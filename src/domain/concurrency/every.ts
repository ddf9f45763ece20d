import { setTimeout as delay } from 'node:timers/promises'

/**
 * Calls `work` again and again until `signal` aborts: first after `ms` milliseconds, then each time `ms` after the last
 * call has ended. The wait does not keep the process alive. Resolves when `signal` has aborted and no call is under way.
 * Stops and rejects with the error of `work`: to go on, `work` must handle its own errors.
 */
export async function every (ms: number, work: () => unknown, signal: AbortSignal): Promise<void> {
  while (await hasPassed(ms, signal)) await work()
}

/** Resolves with true after `ms`, with false as soon as `signal` aborts. */
function hasPassed (ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal, ref: false }).catch(() => false)
}
