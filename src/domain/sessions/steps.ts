import { byProgramStep, PROGRAM_STEPS, stepMessageOf } from '#domain/programs/programs.ts'

/** The steps of a creation, in the order in which they are reported; named nowhere else but in the table of programs. */
export const STEPS = ['reserve', 'record', 'user', 'home', 'sandbox', 'firewall', 'template', ...PROGRAM_STEPS, 'ready'] as const

export type Step = typeof STEPS[number]

/** The steps that `createSession` does and undoes: a teardown runs them in the reverse order. The reservation is released after them. */
export const UNDONE_STEPS = ['record', 'user', 'home', 'sandbox', 'firewall', 'template', ...PROGRAM_STEPS] as const satisfies Step[]

export type UndoneStep = typeof UNDONE_STEPS[number]

/** The steps of a teardown, in their order: the state is written first and last. */
export const TEARDOWN_STEPS = ['stopping', ...UNDONE_STEPS.map(step => `undo-${step}` as const).reverse(), 'ended'] as const

export type TeardownStep = 'stopping' | `undo-${UndoneStep}` | 'ended'

const messages: Record<Step, string> = {
  reserve: 'Reserving a slot',
  record: 'Recording the session',
  user: 'Creating Linux user',
  home: 'Preparing the home folder',
  sandbox: 'Starting the sandbox',
  firewall: 'Setting the firewall rules',
  template: 'Copying the extension template',
  ...byProgramStep(stepMessageOf),
  ready: 'Checking that everything answers'
}

/** The progress message of the step. */
export function stepMessage (step: Step): string {
  return messages[step]
}
