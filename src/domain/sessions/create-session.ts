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
  /** The user's own first files, if the session does not begin with the template's. */
  own?: FirstFiles | undefined
  /** What else is put into the home before the first program starts. */
  prepare?: ((signal: AbortSignal) => Promise<void>) | undefined
  undo: UndoStack
  signal: AbortSignal
  /** The time limit of one step. */
  stepMs: number
  failpoint: Failpoint
  /** Called when a step is over, with its error if it failed. A step that other steps overlap is timed from its own beginning. */
  noteStep?: (step: Step, ms: number, error?: unknown) => void
}

/**
 * Makes a session, step by step, and yields each step as it begins. Every undo is pushed before its acquisition
 * starts, so that a half-made thing is undone too. Nothing is undone here: on any error the caller runs the stack.
 */
export async function * createSession (make: Capabilities, creation: Creation): AsyncGenerator<StepStarted, void, undefined> {
  const { facts, undo, signal, stepMs, failpoint } = creation
  const startedAt = performance.now()
  const acquisitions = acquiring(make, creation)
  const undos = undoing(make, facts, failpoint)
  const begun = new Map<Step, Promise<void>>()
  const beginnings = new Map<Step, number>() // of the steps that are not over
  const withinStep = () => AbortSignal.any([signal, AbortSignal.timeout(stepMs)])

  function note (step: Step, error?: unknown): void {
    const beganAt = beginnings.get(step)
    if (beganAt !== undefined && beginnings.delete(step)) creation.noteStep?.(step, performance.now() - beganAt, error)
  }

  function begin (step: Step): Promise<void> {
    const earlier = begun.get(step)
    if (earlier) return earlier
    const revert = undos.get(step)
    if (!beginnings.has(step)) beginnings.set(step, performance.now())
    let work = Promise.resolve()
    // the undo waits for the work, which its signal has aborted: a half-made thing cannot be undone yet
    if (revert) undo.push(step, async signal => { await work.catch(() => {}); await revert(signal) }, whenOf(step))
    work = Promise.resolve(acquisitions[step]?.(withinStep()))
    work.then(() => note(step), error => note(step, error)) // a creation that fails before it awaits this step throws its own error
    begun.set(step, work)
    return work
  }

  for (const [position, step] of STEPS.entries()) {
    signal.throwIfAborted()
    yield { step, message: stepMessage(step), index: position + 1, of: STEPS.length, elapsedMs: Math.round(performance.now() - startedAt) }
    signal.throwIfAborted() // again: the generator may have waited at its yield for long
    if (!begun.has(step)) beginnings.set(step, performance.now())
    try {
      await failpoint(step, 'before', withinStep())
      signal.throwIfAborted() // nothing begins after the teardown, so that each undo is pushed before the stack runs
      if (step === 'display') begin('dev-server').catch(() => {}) // start the dev server early: it uses the second core while Xpra starts, and Chromium can load the build that set-up made
      await begin(step)
      await failpoint(step, 'after', withinStep())
    } catch (error) {
      note(step, error)
      throw error
    }
  }
  signal.throwIfAborted()
}

/**
 * Pushes the undo of every step: the whole teardown of a session of which only the facts are known, such as
 * one of an earlier server. Undos are idempotent, so steps that never ran do not matter.
 */
export function pushEveryUndo (make: Capabilities, facts: SessionFacts, failpoint: Failpoint, undo: UndoStack): void {
  for (const [step, revert] of undoing(make, facts, failpoint)) undo.push(step, revert, whenOf(step))
}

function acquiring (make: Capabilities, { facts, template, own, prepare }: Creation): Partial<Record<Step, (signal: AbortSignal) => Promise<void> | void>> {
  return {
    // `reserve` happened when the session was admitted, and its undo is on the stack already: refusals come before the stream begins
    record: () => make.registry.record(facts),
    user: signal => make.linuxUsers.create(facts.account, signal),
    home: signal => make.homes.create(facts.account, signal),
    sandbox: signal => make.sandboxes.create(facts, template, signal),
    firewall: signal => make.firewall.open(facts, signal),
    async template (signal) {
      await make.codeUpdates.install(facts, template, own, signal)
      await prepare?.(signal)
    },
    ...byProgramStep(step => (signal: AbortSignal) => make.programs.start(facts, step, template, signal)),
    ready: signal => make.codeUpdates.begin(facts, template, own !== undefined, signal)
  }
}

/** The undos, in the order of their steps. */
function undoing (make: Capabilities, facts: SessionFacts, failpoint: Failpoint): Map<Step, Undo> {
  let isDead = false
  /** Kills the sandbox, once for all undos: nothing starts in a sandbox without its init, and a check reads every process of the machine. */
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
    // the template step starts the first process of the uid: its undo kills all of them before the firewall closes their ports
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

/** The session's folder is removed last, and stays while anything of the session is left: the next try needs it. */
function whenOf (step: Step): When {
  return step === 'record' ? 'last' : 'always'
}
