import t from 'tap'
import { STEPS } from '#domain/sessions/steps.ts'
import { assertAsBefore, assertEndsClean, beginCreation, listSessions, serve } from '#support/servers/creation.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { listMachine } from '#support/servers/machine.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'

const ROUNDS = IS_LONG ? 10 : 1
const SIDE_BY_SIDE = 5

t.test('one server, many ends', async t => {
  const server = await serve(t)
  const before = await listMachine(server)

  await t.test('a client that goes away at any line before the last leaves nothing', async t => {
    for (let lines = 1; lines <= STEPS.length; lines++) {
      const creation = await beginCreation(server)
      for (let read = 0; read < lines; read++) await creation.next()
      creation.leave()
      await assertAsBefore(t, server, before, `gone after line ${lines}, ${STEPS[lines - 1]}`)
    }
    t.strictSame(await listSessions(server), [])
  })

  await t.test('a session that is deleted while it is being made is undone, for all who ask, and its client hears of it', async t => {
    for (const step of ['user', 'sandbox', 'template', 'browser']) {
      const creation = await beginCreation(server)
      await creation.until(step)
      const [session] = await listSessions(server)
      t.match(session, { state: 'creating' })
      const answers = await Promise.all([endSession(server, session!.id), endSession(server, session!.id)])
      t.strictSame(answers.map(answer => answer.status), [200, 200], `during ${step}`)
      const machine = await listMachine(server)
      t.strictSame(machine, before, `during ${step}: when the answer comes, the machine is as before`)
      t.equal((await creation.end()).at(-1)?.status, 'error')
      t.equal((await endSession(server, session!.id)).status, 404)
      await assertAsBefore(t, server, before, `and later, deleted during ${step}`)
    }
  })

  await t.test('two deletes at the same time join one teardown, and a later one finds nothing', async t => {
    const { id } = await createSession(server)
    const answers = await Promise.all(['session', 'sessions', 'session'].map(path => fetch(`${server.url}/${path}/${id}`, { method: 'DELETE' })))
    for (const answer of answers) {
      t.equal(answer.status, 200)
      t.match(await answer.json(), { success: true, message: String })
    }
    t.strictSame(await listMachine(server), before, 'when the answers come, the machine is as before')
    const late = await endSession(server, id)
    t.equal(late.status, 404)
    t.match(await late.json(), { success: false, code: 'EX10_SESSION_NOT_FOUND' })
  })

  await t.test('a client that does not wait for the answer of its delete has ended the session all the same', async t => {
    const { id } = await createSession(server)
    const impatient = new AbortController()
    const asked = fetch(`${server.url}/session/${id}`, { method: 'DELETE', signal: impatient.signal })
    await eventually('an end that began', async () => (await listSessions(server))[0]?.state !== 'ready')
    impatient.abort()
    await asked.catch(() => {})
    await assertAsBefore(t, server, before, 'the answer was not read')
  })

  await t.test('a sandbox whose init is killed takes its own session with it and no other', async t => {
    const killed = await createSession(server)
    const other = await createSession(server)
    process.kill((await inside(t, server, killed)).init, 'SIGKILL')
    await eventually('an end of the session', async () => (await fetch(`${server.url}/sessions/${killed.id}`)).status === 404, 60_000)
    const { account } = (await inside(t, server, other)).facts
    const left = await listMachine(server)
    t.strictSame(left.filter(line => line.startsWith('passwd: ')), [`passwd: ${account.name}`], 'one account is left, the other session\'s')
    t.notOk(left.some(line => line.includes(killed.id)), 'and nothing that names the ended one')
    t.match(await (await fetch(`${server.url}/sessions/${other.id}`)).json(), { state: 'ready', health: 'ok' })
    t.equal((await endSession(server, other.id)).status, 200)
    await assertAsBefore(t, server, before, 'both are gone')
  })

  await t.test('five creations side by side, then five deletes, round after round', async t => {
    for (let round = 1; round <= ROUNDS; round++) {
      const sessions = await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => createSession(server)))
      const facts = await Promise.all(sessions.map(async session => (await inside(t, server, session)).facts))
      t.equal(new Set(facts.flatMap(({ slot, account }) => [slot.index, account.uid])).size, 2 * SIDE_BY_SIDE, `round ${round}: each has its own slot and uid`)
      const answers = await Promise.all(sessions.map(({ id }) => endSession(server, id)))
      t.ok(answers.every(answer => answer.status === 200), `round ${round}: all ended`)
      t.strictSame(await listMachine(server), before, `round ${round}: the machine is as before`)
    }
  })
  await assertEndsClean(t, server)
})

t.test('SIGTERM ends all sessions, also one that is being made, and the server exits with 0', async t => {
  const server = await serve(t)
  await Promise.all([createSession(server), createSession(server)])
  const creation = await beginCreation(server)
  await creation.until('display')
  t.equal((await listSessions(server)).length, 3)
  const lines = creation.end().catch(() => {}) // the server may close the connection before its last line is read
  const exit = server.stop('SIGTERM')
  await lines
  t.equal(await exit, 0)
  await assertEndsClean(t, server)
})

t.test('SIGINT does the same', async t => {
  const server = await serve(t)
  await createSession(server)
  t.equal(await server.stop('SIGINT'), 0)
  await assertEndsClean(t, server)
})
