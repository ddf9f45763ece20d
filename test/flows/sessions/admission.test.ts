import { Value } from '@sinclair/typebox/value'
import pino from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '#app.ts'
import { readConfig } from '#config.ts'
import { ProgressLine } from '#schemas/progress.ts'
import { auditFromServer, CLEAN } from '#support/servers/audit.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, beginCreation, listSessions, listStates, next, serve, type Creation } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, readLines, testEnv, type Server } from '#support/servers/server.ts'
import { readMeta } from '#support/display/socket-display.ts'

interface Refusal { status: number, retryAfter: string | null, code: string }

/** Asks for a session: its id, or how it was refused. */
async function askForSession (server: Server): Promise<string | Refusal> {
  const response = await fetch(`${server.url}/createSession`)
  if (!response.ok) return { status: response.status, retryAfter: response.headers.get('retry-after'), code: (await response.json() as { code: string }).code }
  const last = (await Array.fromAsync(readLines(response))).at(-1)!
  return last.status === 'complete' ? last.data.sessionId : Promise.reject(new Error(JSON.stringify(last)))
}

/** Of so many at once, as many are made as may be, and all others are refused in this way. */
async function assertMade (t: Test, server: Server, asked: number, made: number, refusal: Refusal): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: asked }, () => askForSession(server)))
  const ids = answers.filter(answer => typeof answer === 'string')
  t.equal(ids.length, made, `of ${asked} at once, ${made} are made`)
  t.strictSame(answers.filter(answer => typeof answer !== 'string'), Array(asked - made).fill(refusal), 'all others hear why not, and when to come again')
  t.equal((await listSessions(server)).length, made)
  return ids
}

/** Reads until it is told this position. */
async function untilPosition (creation: Creation, position: number): Promise<ProgressLine> {
  for (let line = await creation.next(); line?.status === 'queued'; line = await creation.next()) {
    if (line.data.position === position) return line
  }
  throw new Error(`it was never number ${position}`)
}

const USERS_LIMIT: Refusal = { status: 429, retryAfter: '10', code: 'EX10_TOO_MANY_USER_SESSIONS' }
const TOTAL_LIMIT: Refusal = { status: 503, retryAfter: '10', code: 'EX10_TOO_MANY_SESSIONS' }
const QUEUE = { ...lightDisplay(), EX10_MAX_SESSIONS: '1', EX10_WHEN_FULL: 'queue' }

for (const [setting, refusal] of [['EX10_MAX_SESSIONS_PER_USER', USERS_LIMIT], ['EX10_MAX_SESSIONS', TOTAL_LIMIT]] as const) {
  t.test(`of 50 creations at once, exactly as many are made as ${setting} says, and as many again after they ended`, async t => {
    const server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '12', [setting]: '10' })
    const ids = await assertMade(t, server, 50, 10, refusal)
    t.match((await ask(server, '/ready')).body, setting === 'EX10_MAX_SESSIONS' ? { statusCode: 503, code: TOTAL_LIMIT.code } : { ready: true })
    for (const id of ids.slice(0, 3)) t.equal((await endSession(server, id)).status, 200)
    const answers = await Promise.all(Array.from({ length: 6 }, () => askForSession(server)))
    t.equal(answers.filter(answer => typeof answer === 'string').length, 3, 'three ended, three may come')
    await assertEndsClean(t, server)
  })
}

t.test('creations that fail, clients that go away, and a server that is killed take no place with them', async t => {
  let server = await serve(t, { ...lightDisplay(), EX10_MAX_SESSIONS_PER_USER: '3', EX10_FAILPOINT: 'firewall:after:throw' })
  await t.rejects(askForSession(server), /EX10_STEP_FAILED/)
  for (const step of ['user', 'sandbox', 'display']) {
    const creation = await beginCreation(server)
    await creation.until(step)
    creation.leave()
  }
  await eventually('an end of them all', async () => (await read(server, '/health')).sessions === 0, 60_000)
  await assertMade(t, server, 5, 3, USERS_LIMIT)
  await server.stop('SIGKILL')
  server.env.EX10_FAILPOINT = ''
  server = await next(t, server)
  t.strictSame(await askForSession(server), USERS_LIMIT, 'sessions that live on have their places')
  t.equal((await endSession(server, (await listSessions(server))[0]!.id)).status, 200)
  t.type(await askForSession(server), 'string')
  t.strictSame(await askForSession(server), USERS_LIMIT)
  await assertEndsClean(t, server)
})

t.test('a creation that waits reads where it stands, has its turn when a session ends, and holds up nobody when it leaves', async t => {
  const server = await serve(t, { ...QUEUE, EX10_QUEUE_LENGTH: '2' })
  const first = await createSession(server)
  const impatient = await beginCreation(server)
  t.match(await impatient.next(), { status: 'queued', data: { position: 1, etaMs: null } }, 'at once, and nothing is known yet of how long it may take')
  const patient = await beginCreation(server)
  t.match(await patient.next(), { status: 'queued', data: { position: 2 } })
  t.strictSame(await askForSession(server), { ...TOTAL_LIMIT, code: 'EX10_QUEUE_FULL' }, 'as many wait as may')
  t.match(await read(server, '/health'), { sessions: 1, waiting: 2 })
  t.strictSame((await listSessions(server)).map(({ id }) => id), [first.id], 'who waits has no session')
  t.strictSame(await auditFromServer(server), CLEAN)

  const startedAt = performance.now()
  t.match(await patient.next(), { status: 'queued', data: { position: 2 } })
  t.ok(performance.now() - startedAt < 10_000, 'it is told again every 5 s: once, before it would be twice')
  impatient.leave()
  await untilPosition(patient, 1)
  t.equal((await read(server, '/health')).waiting, 1)

  t.equal((await endSession(server, first.id)).status, 200)
  const lines = await patient.end()
  for (const line of lines) t.ok(Value.Check(ProgressLine, line), JSON.stringify(line))
  const kinds = lines.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1])
  t.strictSame(kinds, ['queued', 'running', 'complete'], 'it waits, is made, and there is one last line')

  const [second] = await listSessions(server)
  t.equal((await endSession(server, second!.id)).status, 200)
  const third = await createSession(server)
  const fourth = await beginCreation(server)
  t.match(await fourth.next(), { data: { position: 1, etaMs: Number } }, 'after two that ended, it is told how long it may take')
  t.equal((await endSession(server, third.id)).status, 200)
  t.equal((await fourth.end()).at(-1)?.status, 'complete')
  await assertEndsClean(t, server)
})

t.test('of many who wait, one after the other has a turn, and never are there more sessions than may be', async t => {
  const server = await serve(t, { ...QUEUE, EX10_MAX_SESSIONS: '2', EX10_MAX_SESSIONS_PER_USER: '2' })
  let most = 0
  const ids = await Promise.all(Array.from({ length: 8 }, async () => {
    const id = await askForSession(server) as string
    most = Math.max(most, (await listSessions(server)).length)
    t.equal((await endSession(server, id)).status, 200)
    return id
  }))
  t.equal(new Set(ids).size, 8, 'each had a session')
  t.ok(most <= 2)
  t.match(await read(server, '/health'), { sessions: 0, waiting: 0 })
  await assertEndsClean(t, server)
})

t.test('a wait that is too long, or that the server\'s end cuts short, ends with a line that says so', async t => {
  const server = await serve(t, { ...QUEUE, EX10_QUEUE_TIMEOUT: '2', EX10_MAX_SESSIONS_PER_USER: '5' })
  t.match(server.output(), /"level":40.*EX10_MAX_SESSIONS_PER_USER is above/, 'a limit that can never be reached is warned of at the start')
  await createSession(server)
  const lines = await (await beginCreation(server)).end()
  t.match(lines.at(-1), { status: 'error', data: { code: 'EX10_QUEUE_TIMEOUT', message: String } })
  t.match(await read(server, '/health'), { sessions: 1, waiting: 0 })
  const waiting = await beginCreation(server)
  await waiting.next()
  const ended = server.stop()
  t.match((await waiting.end()).at(-1), { status: 'error', data: { code: 'EX10_SHUTTING_DOWN' } })
  t.equal(await ended, 0)
  await assertEndsClean(t, server)
})

t.test('with evict-oldest, a user\'s oldest session is warned and ended for a new one; who has none that is ready is refused', async t => {
  const browser = heldBrowser(t)
  const server = await serve(t, { ...browser.settings, EX10_MAX_SESSIONS_PER_USER: '2', EX10_WHEN_FULL: 'evict-oldest' })
  const [oldest, newer] = [await createSession(server), await createSession(server)]
  const events = fetch(`${server.url}/sessions/${oldest.id}/events`).then(answer => answer.text())
  await eventually('a reader of its events', async () => {
    const { sessions } = await read(server, '/admin/sessions')
    return sessions[0]!.channels.length === 1
  })
  const page = await readMeta(oldest, 'token')
  const newest = await createSession(server)
  t.equal(newest.lines.filter(({ status }) => status !== 'running' && status !== 'queued').length, 1)
  const told = (await events).trim().split('\n').map(line => JSON.parse(line) as { type: string, reason?: string })
  t.strictSame(told.map(({ type, reason }) => [type, reason]), [['ready', undefined], ['warning', 'evicted'], ['ended', 'evicted']])
  t.strictSame((await ask(server, `/session/${oldest.id}/state?token=${page}`)).body, { state: 'ended', display: false, reason: 'evicted' }, 'a page that is open hears why, too')
  t.strictSame((await listSessions(server)).map(({ id }) => id), [newer.id, newest.id])

  browser.hold()
  const creations = [await beginCreation(server), await beginCreation(server)] // each ends one
  for (const creation of creations) await creation.until('browser')
  t.strictSame(await askForSession(server), USERS_LIMIT, 'those that are being made are not ended for others')
  browser.release()
  for (const creation of creations) t.match((await creation.end()).at(-1), { status: 'complete' })
  const left = (await listSessions(server)).map(({ id }) => id)
  t.notOk(left.includes(newer.id) || left.includes(newest.id))
  t.equal(left.length, 2)
  await assertEndsClean(t, server)
})

t.test('with evict-oldest, no session is ended for a new one while another one ends anyway', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_MAX_SESSIONS_PER_USER: '2', EX10_WHEN_FULL: 'evict-oldest' })
  const [oldest, newer] = [await createSession(server), await createSession(server)]
  const ending = endSession(server, newer.id)
  await eventually('an end that began', async () => (await listSessions(server)).every(({ id, state }) => id !== newer.id || state !== 'ready'))
  const newest = await createSession(server)
  t.equal((await ending).status, 200)
  t.strictSame(await listStates(server), [oldest, newest].map(({ id }) => `${id} ready`))
  await assertEndsClean(t, server)
})

t.test('with evict-oldest, a session that could not be ended is ended first, and no other', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_MAX_SESSIONS_PER_USER: '2', EX10_WHEN_FULL: 'evict-oldest', EX10_FAILPOINT: 'undo-firewall:before:throw' })
  const [oldest, newer] = [await createSession(server), await createSession(server)]
  t.equal((await endSession(server, newer.id)).status, 500)
  const newest = await createSession(server)
  t.strictSame(await listStates(server), [oldest, newest].map(({ id }) => `${id} ready`))
  await assertEndsClean(t, server)
})

t.test('with evict-oldest, nobody\'s session is ended for another user', async t => {
  const app = await buildApp(readConfig(testEnv({ ...lightDisplay(), EX10_LOG_LEVEL: 'silent', EX10_MAX_SESSIONS: '1', EX10_WHEN_FULL: 'evict-oldest' })), pino({ level: 'silent' }))
  t.teardown(() => app.close())
  const create = async (user: string) => {
    const lines = app.creations.create(await app.creations.admit({ user, address: '127.0.0.1', isAuthenticated: true }, {}), new AbortController().signal, app.log)
    return (await Array.fromAsync(lines)).at(-1)!.status
  }
  const endAll = async () => { for (const { id } of app.sessions.list()) await app.sessions.end(id, 'deleted') }
  const owners = () => app.sessions.list().map(({ owner, state }) => [owner, state])
  t.equal(await create('alice'), 'complete')
  await t.rejects(create('bob'), { code: 'EX10_TOO_MANY_SESSIONS', retryAfterSeconds: 10 })
  t.strictSame(owners(), [['alice', 'ready']])
  t.equal(await create('alice'), 'complete', 'her own is, for herself')
  t.strictSame(owners(), [['alice', 'ready']])
  await endAll()
  t.equal(await create('bob'), 'complete')
  t.strictSame(owners(), [['bob', 'ready']])
  t.strictSame((await app.inject('/admin/audit')).json(), { leaked: [], missing: [] })
  await endAll() // a server that has never listened leaves its sessions to the next one
})

t.test('with evict-oldest, when the oldest session cannot be ended, no other is ended in its stead', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_MAX_SESSIONS_PER_USER: '2', EX10_WHEN_FULL: 'evict-oldest', EX10_FAILPOINT: 'undo-firewall:before:throw' })
  const [oldest, newer] = [await createSession(server), await createSession(server)]
  const lines = await (await beginCreation(server)).end()
  t.match(lines.at(-1), { status: 'error', data: { code: USERS_LIMIT.code } })
  t.match(await listSessions(server), [{ id: oldest.id, state: 'stopping' }, { id: newer.id, state: 'ready' }], 'what could not be undone keeps its place')
  t.equal((await endSession(server, oldest.id)).status, 200)
  t.type(await askForSession(server), 'string')
  t.ok((await listSessions(server)).some(({ id }) => id === newer.id), 'and then there is room')
  await assertEndsClean(t, server)
})
