/** The steps of a creation, in the order in which they are reported; named nowhere else. */
export const STEPS = [
  'reserve', 'record', 'user', 'home', 'sandbox', 'firewall', 'template', 'display', 'browser', 'dev-server', 'ready'
] as const

export type Step = typeof STEPS[number]

const messages: Record<Step, string> = {
  reserve: 'Reserving a slot',
  record: 'Recording the session',
  user: 'Creating Linux user',
  home: 'Preparing the home folder',
  sandbox: 'Starting the sandbox',
  firewall: 'Setting the firewall rules',
  template: 'Copying the extension template',
  display: 'Starting the display',
  browser: 'Starting Chromium with the extension',
  'dev-server': 'Waiting for the dev server',
  ready: 'Checking that everything answers'
}

/** What a person reads while the step runs. */
export function stepMessage (step: Step): string {
  return messages[step]
}

/** Where a failpoint strikes: before a step acquires anything, or right after. */
export type Failpoint = (step: Step, when: 'before' | 'after') => void

/** The error that a failpoint throws. */
export class InjectedFailure extends Error {
  override readonly name = 'InjectedFailure'
}

/**
 * Reads `<step>:<before|after>:throw` (`EX10_FAILPOINT`); an empty text strikes nowhere.
 * @throws {RangeError} when the step is unknown
 */
export function parseFailpoint (text: string): Failpoint {
  if (!text) return () => {}
  const [step, when] = text.split(':')
  if (!STEPS.includes(step as Step)) throw new RangeError(`unknown step "${step}": the steps are ${STEPS.join(', ')}`)
  return (reached, side) => {
    if (reached === step && side === when) throw new InjectedFailure(`failpoint ${text}`)
  }
}
