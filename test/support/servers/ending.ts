import type { Test } from 'tap'
import { auditFromServer, auditFromTerminal, CLEAN } from './audit.ts'
import { assertEndsClean } from './creation.ts'
import { logOf, type Server } from './server.ts'
import { tally } from './tally.ts'

/** Audits a server that runs by its route and from the terminal: nothing is leaked, nothing missing. */
export async function assertAuditsClean (t: Test, server: Server, when: string): Promise<void> {
  t.strictSame(await auditFromServer(server), CLEAN, `${when}: the server's audit is clean`, logOf(server))
  t.strictSame(await auditFromTerminal(server), CLEAN, `${when}: so is that from the terminal`)
}

/** The end of a test of faults: audits, ends the server, looks over the machine, audits again, and counts the faults. */
export async function assertSurvived (t: Test, server: Server, faults: number): Promise<void> {
  await assertAuditsClean(t, server, 'after it all')
  await assertEndsClean(t, server)
  tally(t, 'faults', faults)
}
