import t, { type Test } from 'tap'
import { STEPS } from '#domain/sessions/steps.ts'
import type { ProgressLine } from '#schemas/progress.ts'
import { assertEndsClean, beginCreation, listSessions, listStates, serve } from '#support/servers/creation.ts'
import { assertAudited, faultsOf, SIDE_BY_SIDE, SIDES, type Fault } from '#support/faults/faults.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { listMachine } from '#support/servers/machine.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

/** What a step can come to, and what the client of a creation reads then. */
const EFFECTS = { throw: 'EX10_STEP_FAILED', enospc: 'EX10_NO_DISK', hang: 'EX10_STEP_TIMEOUT' } as const
type Effect = keyof typeof EFFECTS

const IN_WORDS: Record<Effect, string> = { throw: 'fails', enospc: 'finds the disk full', hang: 'hangs' }
const effects: Effect[] = IS_LONG ? ['throw', 'enospc', 'hang'] : ['throw']

/** A server with one slot, which would be missed if it stayed taken, in which the fault is waiting. */
function serveWith (t: Test, { step, side }: Fault, effect: Effect, settings = lightDisplay()): Promise<Server> {
  return serve(t, { ...settings, EX10_SLOTS: '1', EX10_FAILPOINT: `${step}:${side}:${effect}`, ...(effect === 'hang' && { EX10_STEP_TIMEOUT: '2' }) })
}

/** The steps that were told of, each once: heartbeats repeat them. */
const stepsOf = (lines: ProgressLine[]) => [...new Set(lines.flatMap(line => line.status === 'running' ? [line.data.step] : []))]

async function creationFails (t: Test, fault: Fault, effect: Effect, settings?: Record<string, string>): Promise<void> {
  const server = await serveWith(t, fault, effect, settings)
  const before = await listMachine(server)
  const lines = await (await beginCreation(server)).end()
  t.strictSame(stepsOf(lines), STEPS.filter((_, index) => index <= STEPS.findIndex(step => step === fault.step)), 'the client reads of each step that began')
  t.match(lines.filter(({ status }) => status !== 'running'), [{ status: 'error', data: { code: EFFECTS[effect], message: String } }], 'and one error line, the last')
  t.strictSame(await listMachine(server), before, 'when it comes, the machine is as before')
  await servesOn(t, server, before)
}

async function endFails (t: Test, { step, side }: Fault, effect: Effect, settings?: Record<string, string>): Promise<void> {
  const server = await serveWith(t, { step, side }, effect, settings)
  const before = await listMachine(server)
  const { id } = await createSession(server)
  const answer = await endSession(server, id)
  if (step === 'stopping') {
    t.equal(answer.status, 200, 'a record that cannot be written does not keep the session alive')
  } else {
    const status = step === 'ended' && effect === 'enospc' ? 507 : 500 // of several undos, several may have failed: the log says why
    t.match([answer.status, await answer.json()], [status, { success: false, code: /^EX10_/, message: String }], 'the one who asked hears of it')
    // all was done when the fault struck after the last step
    t.equal((await endSession(server, id)).status, step === 'ended' && side === 'after' ? 404 : 200, 'who asks again ends it')
  }
  t.equal((await endSession(server, id)).status, 404, 'then it is gone')
  t.strictSame(await listMachine(server), before, 'and the machine is as before')
  await servesOn(t, server, before)
}

/** The one slot is free: the next session is made and ended, and so is the server. */
async function servesOn (t: Test, server: Server, before: string[]): Promise<void> {
  t.strictSame(await listSessions(server), [])
  t.match(server.output(), /failpoint \S+:(throw|enospc)|took longer than|TimeoutError/, 'the operator reads why in the log')
  const { id, url } = await createSession(server)
  t.equal((await fetch(`${url}index.html`)).status, 200, 'the next session is made')
  t.equal((await endSession(server, id)).status, 200, 'and ended')
  t.strictSame(await listMachine(server), before)
  await assertAudited(t, server)
  await assertEndsClean(t, server)
  tally(t, 'faults', 1)
}

t.jobs = SIDE_BY_SIDE

for (const effect of effects) {
  for (const side of SIDES.creation) {
    t.test(`a creation of which any step ${IN_WORDS[effect]}, ${side} its work, ends with one error line and leaves nothing, and the next one succeeds`, { buffered: true }, async t => {
      for (const fault of faultsOf('creation', side)) await t.test(fault.step, t => creationFails(t, fault, effect))
    })
  }
  for (const side of SIDES.teardown) {
    t.test(`an end of which any step ${IN_WORDS[effect]}, ${side} its work, is done by asking again, and leaves nothing`, { buffered: true }, async t => {
      for (const fault of faultsOf('teardown', side)) await t.test(fault.step, t => endFails(t, fault, effect))
    })
  }
}

t.test('an end that failed is made good by the server itself, within a minute', { buffered: true }, async t => {
  const fault = { step: 'undo-sandbox', side: 'before' } as const
  const server = await serveWith(t, fault, 'throw')
  const before = await listMachine(server)
  const { id } = await createSession(server)
  t.equal((await endSession(server, id)).status, 500, 'the end fails')
  t.strictSame(await listStates(server), [`${id} stopping`])
  await eventually('an end without anybody\'s asking', async () => (await listSessions(server)).length === 0, 60_000)
  await servesOn(t, server, before)
})

t.test('an end whose last step hangs is answered as others are', { buffered: true }, t => endFails(t, { step: 'ended', side: 'before' }, 'hang'))

t.test('the same holds with a real display and browser', { buffered: true }, async t => {
  await t.test('browser', t => creationFails(t, { step: 'browser', side: 'after' }, 'throw', {}))
  await t.test('display', t => creationFails(t, { step: 'display', side: 'after' }, 'enospc', {}))
  await t.test('undo-browser', t => endFails(t, { step: 'undo-browser', side: 'before' }, 'throw', {}))
})
