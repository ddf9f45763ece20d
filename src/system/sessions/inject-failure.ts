import type { Failpoint, FailpointPlan } from '#domain/sessions/failpoint.ts'

/** The error that a failpoint throws. */
export class InjectedFailure extends Error {
  override readonly name = 'InjectedFailure'
  readonly code: string | undefined

  constructor (message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** Causes the planned fault at its place, once: later passes of that place show whether the server recovers. */
export function failpointOf (plan: FailpointPlan | undefined): Failpoint {
  let hasStruck = false
  return async (step, side, signal) => {
    if (hasStruck || step !== plan?.step || side !== plan.side) return
    hasStruck = true
    const text = `failpoint ${plan.step}:${plan.side}:${plan.effect}`
    switch (plan.effect) {
      case 'throw': throw new InjectedFailure(text)
      case 'enospc': throw new InjectedFailure(`${text}: no space left on device`, 'ENOSPC')
      case 'kill9':
        process.kill(process.pid, 'SIGKILL')
        return neverButFor(signal)
      case 'hang': return neverButFor(signal)
    }
  }
}

function neverButFor (signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => reject(signal.reason))
  if (signal.aborted) reject(signal.reason)
  return promise
}
