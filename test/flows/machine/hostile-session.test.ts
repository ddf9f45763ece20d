import t, { type Test } from 'tap'
import { PROGRAM_NAMES } from '#domain/programs/programs.ts'
import { atOnce } from '#support/servers/at-once.ts'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { firstLine, inside, pythonArgv, type Inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'
import { costOf, holdersOf, keyringsOf, namespacesOf, processesIn, zombiesOf, type Victim } from '#support/faults/victims.ts'

const LIGHT = { ...lightDisplay(), EX10_SESSION_MEMORY: '512' }

const push = (server: Server, { id }: CreatedSession) => pushCode(server, { sessionId: id, filePath: 'a.js', content: '1' })

/** What a person calls well: all programs run, the display answers, a push is taken. */
async function isWell (server: Server, session: CreatedSession): Promise<boolean> {
  const view = await (await fetch(`${server.url}/sessions/${session.id}`)).json() as { health?: string }
  return view.health === 'ok' && (await fetch(`${session.url}index.html`)).status === 200 && (await push(server, session)).status === 200
}

async function isGone (server: Server, { id }: CreatedSession): Promise<boolean> {
  return (await fetch(`${server.url}/sessions/${id}`)).status === 404
}

/** Ends a server that has nothing left, and says so three times: by its own audit, by the terminal's, and by a listing. */
async function assertNothingLeft (t: Test, server: Server): Promise<void> {
  t.strictSame(await auditFromServer(server), CLEAN, 'the audit by the server')
  t.strictSame(await auditFromTerminal(server), CLEAN, 'and from the terminal')
  await assertEndsClean(t, server)
}

async function assertEnds (t: Test, server: Server, session: CreatedSession, what: string): Promise<number> {
  const startedAt = performance.now()
  t.equal((await endSession(server, session.id)).status, 200, `${what}: the session ends`)
  return Math.round(performance.now() - startedAt)
}

/** What is killed, by the words of its command line; the last two are the end of the session. */
const ROLES: [string, (victim: Victim) => boolean][] = [
  ...PROGRAM_NAMES.map(name => [`the supervisor of ${name}`, ({ command }: Victim) => command === `s6-supervise ${name}`] satisfies (typeof ROLES)[number]),
  ...PROGRAM_NAMES.map(name => [`the supervisor of the logger of ${name}`, ({ command }: Victim) => command === `s6-supervise ${name}/log`] satisfies (typeof ROLES)[number]),
  ...PROGRAM_NAMES.map(name => [`the logger of ${name}`, ({ command }: Victim) => command.startsWith('s6-log ') && command.endsWith(`/${name}`)] satisfies (typeof ROLES)[number]),
  ['the X server', ({ command }) => command === 'sleep infinity'],
  ['Xpra', ({ command }) => command.includes('/xpra start')],
  ['Chromium', ({ command }) => command.includes('/chromium --')],
  ['the dev server', ({ command, isRoot }) => !isRoot && command.includes('/watch.py ')],
  ['the file writer', ({ command, isRoot }) => !isRoot && command.includes('file writer of a session')],
  ['the way in of the file writer', ({ command, isRoot }) => isRoot && command.startsWith('nsenter ')],
  ['the init', ({ command }) => command.startsWith('s6-svscan ')],
  ['the parent of the init', ({ command }) => command.startsWith('unshare ')]
]
const FATAL = ['the init', 'the parent of the init']

t.test('whichever process of a session is killed, the session is well again, or has ended and says so', { timeout: 200_000 }, async t => {
  const server = await serve(t, LIGHT)
  await atOnce(4, ROLES.length, async index => {
    const [role, isIt] = ROLES[index]!
    const session = await createSession(server)
    t.equal((await push(server, session)).status, 200)
    const { groups } = await inside(t, server, session)
    const found = processesIn(groups).filter(isIt)
    t.equal(found.length, 1, `${role} is there`)
    process.kill(found[0]!.pid, 'SIGKILL')
    const startedAt = performance.now()
    if (FATAL.includes(role)) {
      await eventually(`${role}: the end of the session`, () => isGone(server, session), 30_000)
      await eventually(`${role}: the log says that the session crashed`, () => server.output().includes(`"sessionId":"${session.id}","reason":"crashed"`))
    } else {
      await eventually(`${role}: another one`, () => processesIn(groups).some(victim => isIt(victim) && victim.pid !== found[0]!.pid) || role.includes('file writer'), 30_000)
      await eventually(`${role}: a session that is well`, () => isWell(server, session), 30_000)
      t.notOk((await pastEvents(server, session.id)).some(({ type }) => type === 'service-given-up'), `${role}: well again after ${Math.round(performance.now() - startedAt)} ms`)
      // a supervisor's child looks like itself until it has become its program
      await eventually(`${role}: there is one again, and not two`, () => processesIn(groups).filter(isIt).length === 1)
      await assertEnds(t, server, session, role)
    }
    tally(t, 'faults', 1)
  })
  await assertNothingLeft(t, server)
})

t.jobs = 2 // those that are buffered wait more than they work

t.test('a session that kills all that it may is well again, and one that goes on so is given up, said so, and ended as any other', { buffered: true, timeout: 100_000 }, async t => {
  const server = await serve(t, LIGHT)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const roots = () => processesIn(own.groups).filter(({ isRoot, command }) => isRoot && !command.startsWith('nsenter ')).map(({ pid }) => pid).sort()
  const before = roots()
  await own.run(['sh', '-c', 'kill -KILL -1'])
  await eventually('a session that is well', () => isWell(server, session), 30_000)
  t.strictSame(roots(), before, 'what root runs for it was out of its reach')
  tally(t, 'faults', 1)

  own.start(['sh', '-c', 'while :; do kill -KILL -1; sleep 0.05; done'])
  const cpuBefore = costOf(server.child.pid!).cpu
  const startedAt = performance.now()
  const givenUp = await eventually('an end of the attempts', async () => {
    const names = (await pastEvents(server, session.id)).filter(({ type }) => type === 'service-given-up').map(({ service }) => service)
    return names.includes('xvfb') && names
  }, 60_000)
  t.comment(`given up: ${givenUp}; the server had ${Math.round(100 * (costOf(server.child.pid!).cpu - cpuBefore) / (performance.now() - startedAt) * 1000)} % of a core meanwhile`)
  t.equal((await read(server, '/sessions/:id', { id: session.id })).health, 'degraded')
  t.comment(`DELETE ${await assertEnds(t, server, session, 'a crash loop')} ms`)
  tally(t, 'faults', 1)
  await assertNothingLeft(t, server)
})

t.test('a session whose processes are stopped comes back, and with every last one stopped it still ends', { buffered: true, timeout: 100_000 }, async t => {
  const server = await serve(t, LIGHT)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  t.equal((await push(server, session)).status, 200)
  await own.run(['sh', '-c', 'kill -STOP -1'])
  const startedAt = performance.now()
  await eventually('a session that is well', () => isWell(server, session), 60_000)
  t.comment(`well again after ${Math.round(performance.now() - startedAt)} ms`)
  const frozen = (await pastEvents(server, session.id)).filter(({ type }) => type === 'service-frozen').map(({ service }) => service)
  t.strictSame(new Set(frozen), new Set(PROGRAM_NAMES), 'each program was found, and said so')
  tally(t, 'faults', 1)
  for (const { pid } of processesIn(own.groups)) process.kill(pid, 'SIGSTOP')
  t.comment(`DELETE ${await assertEnds(t, server, session, 'root\'s own stopped, too')} ms`)
  tally(t, 'faults', 1)
  await assertNothingLeft(t, server)
})

t.test('300 children that ignore all signals and try to get away end with their session, within a second more, and nothing of them is left', { timeout: 100_000 }, async t => {
  const server = await serve(t, LIGHT)
  const extra: number[] = []
  while (extra.length < 3 && !extra.some(ms => ms <= 1000)) { // the machine may be busy
    const plain = await createSession(server)
    const alone = await assertEnds(t, server, plain, 'without children')
    const crowded = await createSession(server)
    const own = await inside(t, server, crowded)
    t.equal(await firstLine(own.start(pythonArgv('three-hundred.py'))), '300')
    const pids = assertConfined(t, own)
    const namespaces = namespacesOf(pids)
    t.ok(namespaces.size >= 4, 'control: it had namespaces')
    const ms = await assertEnds(t, server, crowded, 'with 300 children')
    await assertNobodyGotAway(t, own, namespaces)
    t.comment(`DELETE: ${alone} ms without, ${ms} ms with ${pids.length} processes in ${namespaces.size} namespaces`)
    extra.push(ms - alone)
    await eventually('the reaping of every zombie', () => zombiesOf(own.facts.account.uid).length === 0)
  }
  t.ok(extra.some(ms => ms <= 1000), `${extra.join(', ')} ms more`)
  tally(t, 'faults', 1)
  await assertNothingLeft(t, server)
})

/** All that the uid runs is in the session's cgroups. */
function assertConfined (t: Test, { groups, facts }: Inside): number[] {
  const pids = processesIn(groups).map(({ pid }) => pid)
  t.ok(pids.length > 300, 'control: they are there')
  for (const group of groups) t.strictSame(new Set(processesIn([group]).map(({ pid }) => pid)), new Set(pids), 'all are in each of the session\'s groups')
  return pids
}

async function assertNobodyGotAway (t: Test, { facts: { id, account: { uid } } }: Inside, namespaces: Set<string>): Promise<void> {
  // a short-lived program of this machine may have the number of a namespace that is gone: who got away stays
  t.ok(await eventually('namespaces that nothing holds', () => holdersOf(namespaces, id).length === 0, 5000), 'no process, descriptor or mount holds a namespace of theirs')
  t.strictSame(keyringsOf(uid), [], 'the kernel has no keyring of theirs')
  t.comment(`zombies at the end of DELETE: ${zombiesOf(uid).join(', ') || 'none'}`)
}
