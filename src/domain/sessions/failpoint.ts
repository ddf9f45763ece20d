import { STEPS, TEARDOWN_STEPS, type Step, type TeardownStep } from './steps.ts'

const SIDES = ['before', 'after'] as const
const EFFECTS = ['throw', 'hang', 'kill9', 'enospc'] as const

export type Side = typeof SIDES[number]

/** The place of a failpoint, before the step's work begins or right after it, and its effect. */
export interface FailpointPlan {
  step: Step | TeardownStep
  side: Side
  effect: typeof EFFECTS[number]
}

/** To be awaited before and after each step. `signal` ends a step that hangs. */
export type Failpoint = (step: Step | TeardownStep, side: Side, signal: AbortSignal) => Promise<void>

/**
 * Reads `<step>:<before|after>:<throw|hang|kill9|enospc>` (`EX10_FAILPOINT`); an empty text plans nothing.
 * @throws {RangeError} when a part of it is unknown
 */
export function parseFailpoint (text: string): FailpointPlan | undefined {
  if (!text) return undefined
  const [step, side, effect] = text.split(':')
  return {
    step: oneOf('step', [...STEPS, ...TEARDOWN_STEPS], step),
    side: oneOf('side', SIDES, side),
    effect: oneOf('effect', EFFECTS, effect)
  }
}

function oneOf<T extends string> (what: string, known: readonly T[], word = ''): T {
  const found = known.find(one => one === word)
  if (!found) throw new RangeError(`unknown ${what} "${word}": give one of ${known.join(', ')}`)
  return found
}
