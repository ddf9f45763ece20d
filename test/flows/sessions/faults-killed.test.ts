import t, { type Test } from 'tap'
import { auditFromServer } from '#support/servers/audit.ts'
import { beginCreation, listSessions, next, serve } from '#support/servers/creation.ts'
import { assertAudited, faultsOf, isOfCreation, listCalm, SIDE_BY_SIDE, SIDES, type Fault } from '#support/faults/faults.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const RECONCILED_MS = 5000

/** Does what meets the fault that is waiting in the server; resolves when it is dead. */
async function killAt (t: Test, doomed: Server, fault: Fault): Promise<CreatedSession | undefined> {
  let victim: CreatedSession | undefined
  if (isOfCreation(fault)) {
    await t.rejects(beginCreation(doomed).then(creation => creation.end()), 'the creation breaks off')
  } else {
    victim = await createSession(doomed)
    await t.rejects(endSession(doomed, victim.id), 'the end breaks off')
  }
  await eventually('a server that is dead', () => doomed.child.signalCode !== null)
  t.equal(doomed.child.signalCode, 'SIGKILL', 'the server was killed by its failpoint')
  return victim
}

/** Asks until an audit is clean; resolves with how long after now the clean one was begun. */
async function timeToReconcile (server: Server): Promise<number> {
  const readyAt = performance.now()
  const { ms } = await eventually('a clean audit', async () => {
    const ms = performance.now() - readyAt
    return (await auditFromServer(server)).code === 0 ? { ms } : undefined
  }, 30_000)
  return ms
}

/** One server after the other on the same data, each killed at the next place, beside a session that lives through all of it. */
async function surviveKills (t: Test, faults: Fault[], settings: Record<string, string>): Promise<void> {
  const whole = t
  let server = await serve(t, { ...settings, EX10_SLOTS: '2' }) // a slot that stayed taken would be missed
  const { env } = server
  const witness = await createSession(server)
  const { name, uid } = readFacts(server, witness.id).account
  const isOfWitness = (line: string) => line.includes(name) || line.includes(` python3 of ${uid} `) // each server has a program there, which reads and writes its files
  const before = await listCalm(server)
  for (const fault of faults) {
    await t.test(`${fault.side} ${fault.step}`, async t => {
      await server.stop('SIGKILL')
      const doomed = await next(whole, { env: { ...env, EX10_FAILPOINT: `${fault.step}:${fault.side}:kill9` } })
      const victim = await killAt(t, doomed, fault)
      server = await next(whole, { env })
      const ms = await timeToReconcile(server)
      t.comment(`the audit that was begun ${Math.round(ms)} ms after ready is clean`)
      t.ok(ms < RECONCILED_MS, 'reconciled within 5 s of ready')

      // what was not even marked as stopping is a ready session, and nobody was told that it ended
      const survivors = victim && fault.step === 'stopping' && fault.side === 'before' ? [witness.id, victim.id] : [witness.id]
      t.strictSame((await listSessions(server)).map(({ id, state }) => `${id} ${state}`), survivors.map(id => `${id} ready`), 'what was ready lives, and nothing else')
      for (const id of survivors) t.equal((await fetch(`${server.url}/session/${id}/index.html`)).status, 200, 'its page is there')
      for (const id of survivors.slice(1)) t.equal((await endSession(server, id)).status, 200)

      const newcomer = await createSession(server)
      t.equal((await endSession(server, newcomer.id)).status, 200, 'a new session is made, and ended')
      t.strictSame((await listCalm(server)).filter(line => !before.includes(line) && !isOfWitness(line)), [], 'beside the session that lives through it all, nothing is left')
      await assertAudited(t, server)
      tally(t, 'faults', 1)
    })
  }
  t.equal((await endSession(server, witness.id)).status, 200)
}

t.jobs = SIDE_BY_SIDE

for (const part of ['creation', 'teardown'] as const) {
  for (const side of SIDES[part]) {
    t.test(`a server that is killed ${side} any step of a ${part} is started again: what was ready lives on, the rest is gone, and new sessions are made`, { buffered: true },
      t => surviveKills(t, faultsOf(part, side), lightDisplay()))
  }
}

const REAL: Fault[] = [
  { step: 'browser', side: 'after' }, { step: 'undo-browser', side: 'before' },
  ...IS_LONG ? [{ step: 'display', side: 'after' }, { step: 'ready', side: 'after' }, { step: 'undo-template', side: 'after' }] as const : []
]

t.test('the same with a real display and browser', { buffered: true }, t => surviveKills(t, REAL, {}))
