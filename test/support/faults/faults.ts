import { STEPS, TEARDOWN_STEPS, type Step, type TeardownStep } from '#domain/sessions/steps.ts'
import type { Test } from 'tap'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { listMachine } from '#support/servers/machine.ts'
import type { Server } from '#support/servers/server.ts'

export type Side = 'before' | 'after'

/** The sides on which faults strike. Every day, the two where more is at stake: what was made must be undone, and what was not undone must be. */
export const SIDES: Record<'creation' | 'teardown', Side[]> = IS_LONG
  ? { creation: ['before', 'after'], teardown: ['before', 'after'] }
  : { creation: ['after'], teardown: ['before'] }

/** A place where a fault can strike. */
export interface Fault { step: Step | TeardownStep, side: Side }

/** Every place in the making of a session, or in its end, before or after the step's work; every day, every second one. */
export const faultsOf = (part: 'creation' | 'teardown', side: Side): Fault[] =>
  (part === 'creation' ? STEPS : TEARDOWN_STEPS).filter((_, index) => IS_LONG || index % 2 === 0).map(step => ({ step, side }))

export const isOfCreation = ({ step }: Fault): boolean => (STEPS as readonly string[]).includes(step)

/** How many tests of a file run side by side: each has an instance of its own, and waits more than it works. */
export const SIDE_BY_SIDE = 3

/** What belongs to the instance, comparable: whether a process sleeps at the moment makes no difference. */
export async function listCalm (server: Server): Promise<string[]> {
  return (await listMachine(server)).map(line => line.replace(/^(process: \d+ \S+) [RSD] /, '$1 '))
}

/** The server, and a look from outside, find what the live sessions imply, no more and no less. */
export async function assertAudited (t: Test, server: Server): Promise<void> {
  const [own, fromTerminal] = await Promise.all([auditFromServer(server), auditFromTerminal(server)])
  t.strictSame(own, CLEAN, 'GET /admin/audit finds nothing')
  t.strictSame(fromTerminal, CLEAN, 'npm run audit finds nothing')
}
