import { existsSync, globSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { assertEndsClean, beginCreation, listSessions, listStates, next, refusalOf, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { assertAudited, SIDE_BY_SIDE } from '#support/faults/faults.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { listMachine } from '#support/servers/machine.ts'
import { newRandom } from '#support/inputs/random.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const random = newRandom()

/** What can become of the registry while no server runs; the first ones can be told from a sound one. */
const DAMAGES: [string, (file: string) => void][] = [
  ['cut in half', file => truncateSync(file, Math.floor(statSync(file).size / 2))],
  ['cut to less than its header', file => truncateSync(file, 50)],
  ['overwritten by garbage', file => writeFileSync(file, garbage(20_000))],
  ['overwritten by garbage behind its header', file => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 100), garbage(statSync(file).size - 100)]))],
  ['damaged in what a record says', file => writeFileSync(file, readFileSync(file, 'latin1').replaceAll('"account"', '"account\xff'), 'latin1')]
]
const LOSSES: typeof DAMAGES = [
  ['emptied', file => truncateSync(file)],
  ['deleted', file => rmSync(file)]
]

const garbage = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))

/** Writes all that stands beside the registry into it: a whole file is what is damaged. */
function settle (file: string): void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  rmSync(`${file}-wal`, { force: true })
  rmSync(`${file}-shm`, { force: true })
}

/** Takes the registry for itself, as a program does that an operator left open. */
function lock (file: string): DatabaseSync {
  const database = new DatabaseSync(file)
  database.exec('BEGIN EXCLUSIVE')
  return database
}

t.jobs = SIDE_BY_SIDE

t.test('a registry that is damaged or lost while no server runs is made anew: what was ready lives on, the half-made is ended', { buffered: true }, async t => {
  const whole = t
  t.comment(`EX10_TEST_SEED=${random.seed}`)
  let server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '2' })
  const { env } = server
  const file = `${server.dataDir}/registry.db`
  const witness = await createSession(server)

  for (const [what, damage] of [...DAMAGES, ...LOSSES]) {
    await t.test(what, async t => {
      await server.stop('SIGKILL')
      const doomed = await next(whole, { env: { ...env, EX10_FAILPOINT: 'browser:after:kill9' } })
      await t.rejects(beginCreation(doomed).then(creation => creation.end()), 'a session is half-made')
      await eventually('a dead server', () => doomed.child.signalCode !== null)
      settle(file)
      damage(file)
      const asides = globSync(`${file}.damaged-*`).length

      server = await next(whole, { env })
      const isDamaged = DAMAGES.some(([name]) => name === what)
      t.equal(globSync(`${file}.damaged-*`).length, asides + (isDamaged ? 1 : 0), isDamaged ? 'it was moved aside' : 'there is nothing to keep')
      const log = server.output()
      t.equal(/damaged registry moved aside/.test(log), isDamaged, 'and the log says so')
      t.match(log, 'session without a record: recorded again')
      t.strictSame((await listSessions(server)).map(({ id, state }) => [id, state]), [[witness.id, 'ready']], 'the ready session is known, the half-made one is not any more')
      t.equal((await pushCode(server, { sessionId: witness.id, filePath: 'a.js', content: what })).status, 200, 'it takes code')
      await assertAudited(t, server)
      const newcomer = await createSession(server)
      t.equal((await endSession(server, newcomer.id)).status, 200, 'a new session is made, and ended')
      t.equal(statSync(file).mode & 0o077, 0, 'nobody but root can read the new registry')
      await assertAudited(t, server)
      tally(t, 'faults', 1)
    })
  }
  t.equal((await endSession(server, witness.id)).status, 200)
  await assertEndsClean(t, server)
})

t.test('while another program holds the registry, the start is refused in one line, and its sessions live on until it is let go', { buffered: true }, async t => {
  let server = await serve(t, lightDisplay())
  const { env } = server
  const session = await createSession(server)
  const { id } = session
  const { init } = await inside(t, server, session)
  await server.stop('SIGKILL')
  const holder = lock(`${server.dataDir}/registry.db`)
  t.teardown(() => { if (holder.isOpen) holder.close() })
  const processes = async () => (await listMachine(server)).filter(line => line.startsWith('process: ')).map(line => line.split(' ')[1])
  const before = await processes() // some of which may be about to end
  t.match(await refusalOf(env), /^the server ended with 1: ([{].*\n)*ex10: the registry \S+ is locked: [^\n]+\n$/, 'one line says what to do')
  const after = await processes()
  t.strictSame(after.filter(pid => !before.includes(pid)), [], 'no process is new')
  t.ok(after.includes(String(init)), 'the session lives')
  t.strictSame(globSync(`${server.dataDir}/registry.db.damaged-*`), [], 'a locked registry is no damaged one')
  holder.close()
  server = await next(t, { env })
  t.match(await listSessions(server), [{ id, state: 'ready' }], 'let go, the next start goes on with the session')
  t.equal((await endSession(server, id)).status, 200)
  await assertAudited(t, server)
  await assertEndsClean(t, server)
  tally(t, 'faults', 1)
})

t.test('while another program holds the registry, a running server refuses with a reason, loses nothing, and recovers', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '2' })
  const { id } = await createSession(server)
  const before = await listMachine(server)
  const holder = lock(`${server.dataDir}/registry.db`)
  t.teardown(() => { if (holder.isOpen) holder.close() })
  for (let tries = 0; tries < 3; tries++) { // more than there are slots
    const refused = await fetch(`${server.url}/createSession`)
    t.equal(refused.status, 503)
    t.match(await refused.json(), { success: false, code: 'EX10_REGISTRY' })
  }
  t.match(await listSessions(server), [{ id, state: 'ready' }], 'what lives is still told')
  const end = await endSession(server, id)
  t.equal(end.status, 503, 'an end that cannot be recorded is an error')
  t.match(await end.json(), { success: false, code: 'EX10_REGISTRY' })
  holder.close()
  t.equal((await endSession(server, id)).status, 200, 'let go, it is done')
  const next = await createSession(server)
  t.equal((await endSession(server, next.id)).status, 200, 'and sessions are made again')
  t.ok(before.length > (await listMachine(server)).length)
  await assertAudited(t, server)
  await assertEndsClean(t, server)
  tally(t, 'faults', 1)
})

t.test('files of a session that cannot be read keep no server from starting: with a record it lives on, without one it is ended', { buffered: true }, async t => {
  // of a sealed history, nothing can be read once it is damaged
  let server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '2', EX10_KEY_FILE: 'none' })
  const [broken, sound] = [await createSession(server), await createSession(server)]
  const fileOf = ({ id }: typeof sound, name: string) => `${server.dataDir}/sessions/${id}/${name}`
  await eventually('a history', () => existsSync(fileOf(sound, 'history')))
  await server.stop('SIGKILL')
  writeFileSync(fileOf(broken, 'facts.json'), '{"id":')
  writeFileSync(fileOf(sound, 'history'), '{"type"\n' + readFileSync(fileOf(sound, 'history'), 'utf8'))
  server = await next(t, server)
  t.match(server.output(), /"msg":"session facts not readable"/)
  t.same((await listSessions(server)).map(({ id, state }) => `${id} ${state}`).sort(), [broken, sound].map(({ id }) => `${id} ready`).sort())
  t.strictSame((await pastEvents(server, sound.id)).map(({ type }) => type), ['ready', 'adopted'], 'what can be read of its history is there')

  await server.stop('SIGKILL')
  for (const file of globSync(`${server.dataDir}/registry.db*`)) rmSync(file)
  server = await next(t, server)
  t.strictSame(await listStates(server), [`${sound.id} ready`])
  t.equal((await endSession(server, sound.id)).status, 200)
  await assertEndsClean(t, server)
  tally(t, 'faults', 3)
})
