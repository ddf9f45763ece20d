import { performance } from 'node:perf_hooks'
import type { Capabilities, FirstFiles } from './capabilities.ts'
import type { Failpoint } from './failpoint.ts'
import { byProgramStep } from '#domain/programs/programs.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { STEPS, stepMessage, UNDONE_STEPS, type Step, type UndoneStep } from './steps.ts'
import type { Undo, UndoStack, When } from './undo-stack.ts'

/** A step that has begun. */
export interface StepStarted {
  step: Step
  message: string
  index: number
  of: number
  elapsedMs: number
}

export interface Creation {
  facts: SessionFacts
  template: Template
  /** The person's own files, if the session does not begin with the template's. */
  own?: FirstFiles | undefined
  undo: UndoStack
  signal: AbortSignal
  /** How long one step may take. */
  stepMs: number
  failpoint: Failpoint
}

/**
 * Makes a session, step by step, and yields each step as it begins. Every undo is pushed before its acquisition
 * starts, so that a half-made thing is undone too. Nothing is undone here: on any error the caller runs the stack.
 */
export async function * createSession (make: Capabilities, creation: Creation): AsyncGenerator<StepStarted, void, undefined> {
  const { facts, template, own, undo, signal, stepMs, failpoint } = creation
  const startedAt = performance.now()
  const acquisitions = acquiring(make, facts, template, own)
  const undos = undoing(make, facts, failpoint)
  const begun = new Map<Step, Promise<void>>()
  const withinStep = () => AbortSignal.any([signal, AbortSignal.timeout(stepMs)])

  function begin (step: Step): Promise<void> {
    const earlier = begun.get(step)
    if (earlier) return earlier
    const revert = undos.get(step)
    let work = Promise.resolve()
    // what is still being made cannot be undone: its signal has told it to stop
    if (revert) undo.push(step, async signal => { await work.catch(() => {}); await revert(signal) }, whenOf(step))
    work = Promise.resolve(acquisitions[step]?.(withinStep()))
    work.catch(() => {}) // a creation that fails before it awaits this step has its own error
    begun.set(step, work)
    return work
  }

  for (const [position, step] of STEPS.entries()) {
    signal.throwIfAborted()
    yield { step, message: stepMessage(step), index: position + 1, of: STEPS.length, elapsedMs: Math.round(performance.now() - startedAt) }
    signal.throwIfAborted() // again: its reader took its time
    await failpoint(step, 'before', withinStep())
    signal.throwIfAborted() // what is begun has its undo on a stack that has not run
    if (step === 'display') begin('dev-server').catch(() => {}) // start the dev server early: it uses the second core while Xpra starts, and Chromium can load the build that set-up made
    await begin(step)
    await failpoint(step, 'after', withinStep())
  }
  signal.throwIfAborted()
}

/**
 * Pushes the undo of every step: the whole teardown of a session of which no more than its facts is known, such as
 * one that an earlier server left. Undos are idempotent, so steps that never ran do not matter.
 */
export function pushEveryUndo (make: Capabilities, facts: SessionFacts, failpoint: Failpoint, undo: UndoStack): void {
  for (const [step, revert] of undoing(make, facts, failpoint)) undo.push(step, revert, whenOf(step))
}

function acquiring (make: Capabilities, facts: SessionFacts, template: Template, own: FirstFiles | undefined): Partial<Record<Step, (signal: AbortSignal) => Promise<void> | void>> {
  return {
    // `reserve` happened when the session was admitted, and its undo is on the stack: what can be refused is refused before the stream begins
    record: () => make.registry.record(facts),
    user: signal => make.linuxUsers.create(facts.account, signal),
    home: signal => make.homes.create(facts.account, signal),
    sandbox: signal => make.sandboxes.create(facts, template, signal),
    firewall: signal => make.firewall.open(facts, signal),
    template: signal => make.codeUpdates.install(facts, template, own, signal),
    ...byProgramStep(step => (signal: AbortSignal) => make.programs.start(facts, step, template, signal)),
    ready: signal => make.codeUpdates.begin(facts, template, own !== undefined, signal)
  }
}

/** The undos, in the order of their steps. */
function undoing (make: Capabilities, facts: SessionFacts, failpoint: Failpoint): Map<Step, Undo> {
  let isDead = false
  /** Once for all undos: without its init nothing starts in a sandbox, and to be sure takes a look at every process of the machine. */
  async function kill (signal: AbortSignal): Promise<void> {
    if (isDead) return
    await make.sandboxes.kill(facts, signal)
    isDead = true
  }
  const reverts: Record<UndoneStep, Undo> = {
    record: () => make.registry.forget(facts),
    user: () => make.linuxUsers.remove(facts.account),
    home: async signal => {
      await kill(signal) // an earlier undo may have failed: the home stays while a process is left
      await make.homes.remove(facts.account, signal)
    },
    sandbox: async signal => {
      await kill(signal)
      await make.sandboxes.remove(facts, signal)
    },
    firewall: signal => make.firewall.close(facts, signal),
    // the first process of the uid comes with the template: all die before the firewall closes behind them
    template: async signal => {
      make.codeUpdates.stop(facts)
      await kill(signal)
    },
    ...byProgramStep(step => (signal: AbortSignal) => make.programs.stop(facts, step, signal))
  }
  return new Map(UNDONE_STEPS.map(step => [step, async signal => {
    await failpoint(`undo-${step}`, 'before', signal)
    await reverts[step](signal)
    await failpoint(`undo-${step}`, 'after', signal)
  }]))
}

/** While something of a session is left, its folder stays: it tells the next try of it. */
function whenOf (step: Step): When {
  return step === 'record' ? 'last' : 'always'
}
