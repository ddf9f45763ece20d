import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SessionView } from '#schemas/session.ts'
import { wallClock } from '#support/faults/clock.ts'
import { assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { nextEvent, pastEvents, type SessionEvent } from '#support/servers/events.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { slowBuilds } from '#support/faults/slow-builds.ts'
import { openSocket, readMeta, socketDisplay, xpraPacket } from '#support/display/socket-display.ts'

/** Clocks that are off, for a test to turn on. */
const OFF = { EX10_IDLE_TIMEOUT: '0', EX10_SESSION_TIMEOUT: '0', EX10_CONNECT_TIMEOUT: '0' }
const NOT_FOUND = { valid: false, reason: 'session_not_found' }

t.jobs = 3 // they wait more than they work

async function show (server: Server, { id }: CreatedSession): Promise<SessionView> {
  return await (await fetch(`${server.url}/sessions/${id}`)).json() as SessionView
}

async function validity (server: Server, { id }: CreatedSession): Promise<{ valid: boolean, reason?: string }> {
  const answer = await fetch(`${server.url}/sessions/${id}/valid`)
  if (answer.status !== 200) throw new Error(`not told: ${answer.status}`)
  return await answer.json() as { valid: boolean }
}

const touch = (server: Server, { id }: CreatedSession) => fetch(`${server.url}/sessions/${id}/touch`, { method: 'POST' })
const push = (server: Server, { id }: CreatedSession) => pushCode(server, { sessionId: id, filePath: 'x.js', content: 'x' })

/** Does something with a session once a second until the test ends. */
function keepDoing (t: Test, work: () => unknown): void {
  const timer = setInterval(async () => { try { await work() } catch {} }, 1000) // in the end, there is no server any more
  t.teardown(() => clearInterval(timer))
}

/** Waits for the end of a session that shows when that will be. Returns what its owner hears, and how long after that, in ms, it was asked last while it lived, and was told that it does not. */
async function endOf (server: Server, session: CreatedSession) {
  const { expiresAt, expiresBecause } = await show(server, session)
  const lateMs = () => Date.now() - Date.parse(expiresAt!)
  let livedMs = -Infinity
  const reason = await eventually(`the end of ${session.id}`, async () => {
    const askedMs = lateMs()
    const told = await validity(server, session)
    if (told.valid) livedMs = askedMs
    return told.reason
  }, 30_000)
  return { reason, expiresBecause, livedMs, toldMs: lateMs() }
}

async function assertEndsInTime (t: Test, server: Server, session: CreatedSession, expiresBecause: string, reason: string): Promise<void> {
  const end = await endOf(server, session)
  t.match(end, { expiresBecause, reason }, 'it ends, and its owner hears why')
  t.ok(end.toldMs > -50 && end.livedMs < 1000, `within a second of its time: between ${end.livedMs} and ${end.toldMs} ms`)
  await eventually('nothing of it', async () => (await listSessions(server)).every(({ id }) => id !== session.id), 30_000)
  t.match(await validity(server, session), { valid: false, reason }, 'and hears it afterwards, too')
  for (const action of ['touch', 'refresh']) {
    const refused = await fetch(`${server.url}/sessions/${session.id}/${action}`, { method: 'POST' })
    t.match([refused.status, await refused.json()], [404, { code: 'EX10_SESSION_NOT_FOUND' }], `${action} does not bring it back`)
  }
}

t.test('a session that nobody uses ends in its time, also with a viewer that only pings; one that is touched, pushed to or typed into does not', { buffered: true, timeout: 200_000 }, async t => {
  const server = await serve(t, { ...socketDisplay(t), ...OFF, EX10_IDLE_TIMEOUT: '5' })
  const [touched, pushed, typed] = await Promise.all([touch, push, undefined].map(async action => {
    const session = await createSession(server)
    if (action) keepDoing(t, () => action(server, session))
    else await openSocket(t, session).then(socket => keepDoing(t, () => socket.send(xpraPacket('key-action'))))
    return session
  }))
  const begun = Date.now()
  await Promise.all([false, true].map(async isViewed => {
    const session = await createSession(server)
    if (isViewed) {
      const socket = await openSocket(t, session)
      const pings = setInterval(() => { for (const name of ['ping', 'ping_echo', 'damage-sequence', 'focus']) socket.send(xpraPacket(name)) }, 300)
      t.teardown(() => clearInterval(pings))
    }
    await assertEndsInTime(t, server, session, 'idle', 'session_idle')
  }))
  await delay(Math.max(0, begun + 11_000 - Date.now()))
  const left = (await listSessions(server)).map(({ id, state }) => [id, state])
  t.strictSame(new Map(left as [string, string][]), new Map([touched, pushed, typed].map(session => [session!.id, 'ready'])), 'those that were used live, after more than twice the time')
  t.ok((await show(server, touched!)).idleMs! < 4000, 'and are not idle')
  await endSession(server, touched!.id)
  t.strictSame(await validity(server, touched!), NOT_FOUND, 'of one that was deleted, nothing is told')
  t.strictSame(await validity(server, { ...touched!, id: 'f'.repeat(32) }), NOT_FOUND, 'as of one that never was')
  await assertEndsClean(t, server)
})

t.test('a push is use of the session as long as its build takes', { buffered: true }, async t => {
  const server = await serve(t, { ...slowBuilds(t, 7), ...OFF, EX10_IDLE_TIMEOUT: '3' })
  const session = await createSession(server)
  const pushed = await push(server, session)
  t.equal(pushed.status, 200, 'the push is answered when it is written')
  const startedAt = performance.now()
  while (performance.now() - startedAt < 4500) { // one and a half times the idle clock
    t.match(await show(server, session), { state: 'ready', idleMs: 0, expiresAt: undefined }, 'its build is under way: no clock runs')
    await delay(1000)
  }
  await eventually('a clock that runs', async () => (await show(server, session)).expiresAt)
  await assertEndsInTime(t, server, session, 'idle', 'session_idle')
  await assertEndsClean(t, server)
})

t.test('a warning comes before the end, and word that the session goes on when somebody takes it back, by API or by the page\'s button', { buffered: true }, async t => {
  const server = await serve(t, { ...socketDisplay(t), ...OFF, EX10_IDLE_TIMEOUT: '8', EX10_EXPIRY_WARNING: '5' })
  const others = await readMeta(await createSession(server), 'token')
  const session = await createSession(server)
  const token = await readMeta(session, 'token')
  const state = async () => (await fetch(`${session.url}state?token=${token}`)).json() as Promise<{ expiry: { inMs: number, warningInMs: number } }>
  const keep = (body: string, headers: Record<string, string> = { origin: 'null', 'sec-fetch-site': 'cross-site' }) => fetch(`${session.url}keep`, { method: 'POST', headers: { 'content-type': 'text/plain', ...headers }, body })

  const first = await nextEvent(server, session.id, { type: 'expiring', expiresBecause: 'idle' })
  const leftMs = Date.parse(first.expiresAt!) - Date.parse(first.at)
  t.ok(leftMs > 1000 && leftMs < 4100, `half of the clock before its end: ${leftMs} ms`)
  t.match(await state(), { expiry: { warningInMs: 0, because: 'idle' } }, 'its page learns of it, too')
  const refreshed = await fetch(`${server.url}/sessions/${session.id}/refresh`, { method: 'POST' })
  const shown = await refreshed.json() as SessionView
  t.match(shown, { id: session.id, state: 'ready', expiresBecause: 'idle' }, 'refresh answers with the session')
  t.ok(Date.parse(shown.expiresAt!) > Date.parse(first.expiresAt!), 'which ends later now')
  const extended = await nextEvent(server, session.id, { type: 'extended' })
  t.ok(Math.abs(Date.parse(extended.expiresAt!) - Date.parse(shown.expiresAt!)) < 1000, 'and says when')

  const before = await pastEvents(server, session.id)
  await nextEvent(server, session.id, { type: 'expiring' }, before)
  for (const wrong of ['', 'guessed', await readMeta(session, 'ticket'), others]) {
    const refused = await keep(wrong)
    t.match([refused.status, await refused.json()], [404, { code: 'EX10_SESSION_NOT_FOUND' }], 'without the page\'s own token, its button does nothing')
  }
  t.equal((await keep(token, { origin: 'https://evil.example' })).status, 403, 'nor does it on another page')
  t.strictSame((await pastEvents(server, session.id)).slice(before.length).map(({ type }) => type), ['expiring'])
  const kept = await keep(token)
  t.match([kept.status, kept.headers.get('access-control-allow-origin')], [200, '*'], 'with it, the page may, and reads the answer')
  t.ok((await kept.json() as Awaited<ReturnType<typeof state>>).expiry.warningInMs > 0, 'which says that there is time again')
  await nextEvent(server, session.id, { type: 'extended' }, before)
  await assertEndsClean(t, server)
})

t.test('no use makes a session live longer than EX10_SESSION_TIMEOUT', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), ...OFF, EX10_SESSION_TIMEOUT: '6', EX10_EXPIRY_WARNING: '2' })
  const session = await createSession(server)
  keepDoing(t, () => touch(server, session))
  const events = fetch(`${server.url}/sessions/${session.id}/events`).then(answer => answer.text())
  const { expiresAt, createdAt } = await show(server, session)
  await nextEvent(server, session.id, { type: 'expiring', expiresBecause: 'session-timeout' })
  const end = await show(server, session)
  t.ok(Math.abs(Date.parse(end.expiresAt!) - Date.parse(expiresAt!)) < 250, 'its end has not moved')
  t.ok(Date.parse(expiresAt!) > Date.parse(createdAt) + 6000, 'and is counted from when it was ready')
  await assertEndsInTime(t, server, session, 'session-timeout', 'session_expired')
  const types = (await events).trim().split('\n').map(line => (JSON.parse(line) as SessionEvent).type)
  t.strictSame(types.filter(type => type !== 'heartbeat'), ['ready', 'expiring', 'ended'], 'nor is it ever said that it goes on')
  await assertEndsClean(t, server)
})

t.test('a session that is never viewed nor used ends by EX10_CONNECT_TIMEOUT; one that was lives on', { buffered: true }, async t => {
  const server = await serve(t, { ...socketDisplay(t), ...OFF, EX10_CONNECT_TIMEOUT: '6' })
  const made = [push, touch, (_server: Server, session: CreatedSession) => openSocket(t, session).then(socket => socket.close())].map(async use => {
    const session = await createSession(server)
    await use(server, session)
    t.notMatch(await show(server, session), { expiresAt: String }, 'no clock runs any more')
    return session.id
  })
  const used = await Promise.all(made)
  const forgotten = await createSession(server)
  await assertEndsInTime(t, server, forgotten, 'never-used', 'session_idle')
  t.strictSame((await listSessions(server)).map(({ id }) => id).sort(), used.sort())
  await assertEndsClean(t, server)
})

t.test('a session that was used just before the server was killed is not one that nobody ever used', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), ...OFF, EX10_CONNECT_TIMEOUT: '4' })
  const used = await createSession(server)
  await touch(server, used)
  const shared = await createSession(server)
  await fetch(`${server.url}/sessions/${shared.id}/shares`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"mode":"view"}' })
  const noted = new DatabaseSync(`${server.dataDir}/registry.db`, { readOnly: true })
  await eventually('both noted as used', () => noted.prepare('SELECT * FROM sessions WHERE is_used = 1').all().length === 2, 5000)
  noted.close()
  await server.stop('SIGKILL')
  await delay(4000)
  const again = await next(t, server)
  await delay(1500)
  t.match((await listSessions(again)).map(({ id, state }) => [id, state]), [[used.id, 'ready'], [shared.id, 'ready']])
  for (const { id } of [used, shared]) await endSession(again, id)
  await assertEndsClean(t, again)
})

t.test('with EX10_VIEWER_COUNTS, a session is in use as long as somebody looks at it', { buffered: true }, async t => {
  const server = await serve(t, { ...socketDisplay(t), ...OFF, EX10_IDLE_TIMEOUT: '3', EX10_VIEWER_COUNTS: '1' })
  const session = await createSession(server)
  const [socket, another] = [await openSocket(t, session), await openSocket(t, session)]
  await delay(5000)
  another.close()
  await delay(2500)
  const shown = await show(server, session)
  t.match(shown, { state: 'ready', idleMs: 0 }, 'it lives, and is not idle')
  t.equal(shown.expiresAt, undefined, 'nor does any clock run')
  socket.close()
  await eventually('a clock that runs', async () => (await show(server, session)).expiresAt)
  await assertEndsInTime(t, server, session, 'idle', 'session_idle')
  await assertEndsClean(t, server)
})

t.test('the clocks go on over kill -9 and a start, the clock on the wall set forward and back', { buffered: true, timeout: 200_000 }, async t => {
  const wall = wallClock(t)
  let server = await serve(t, { ...wall.env, ...lightDisplay(), ...OFF, EX10_ON_SHUTDOWN: 'keep', EX10_IDLE_TIMEOUT: '3600', EX10_CONNECT_TIMEOUT: '600', EX10_SESSION_TIMEOUT: '7200' })
  const used = await createSession(server)
  const unused = await createSession(server)
  await touch(server, used)
  await delay(11_000) // then it is noted
  const startedAt = performance.now()
  const { idleMs = 0 } = await show(server, used)
  for (const hours of [5, -5]) {
    await server.stop('SIGKILL')
    wall.set(hours)
    server = await next(t, server)
    t.match(await show(server, unused), { state: 'ready', expiresBecause: 'never-used' }, `${hours} h: what was not used is not`)
    const shown = await show(server, used)
    const wanted = idleMs + performance.now() - startedAt
    t.match(shown, { state: 'ready', expiresBecause: 'idle' }, `${hours} h: what was used is`)
    t.ok(Math.abs(shown.idleMs! - wanted) < 3000, `${hours} h: it is as idle as it was, and as long as that took: ${shown.idleMs} ms, ${Math.round(wanted)} ms`)
    wall.set(-hours)
    t.ok(Math.abs((await show(server, used)).idleMs! - (idleMs + performance.now() - startedAt)) < 3000, 'also when it is set while the server runs')
    wall.set(hours)
  }
  const touchedAt = performance.now()
  await touch(server, used)
  await server.stop('SIGTERM')
  server = await next(t, server)
  const afterPeace = (await show(server, used)).idleMs!
  const sinceTouch = performance.now() - touchedAt
  t.ok(afterPeace <= sinceTouch + 1000, `a server that ends in peace notes everything: idle for ${afterPeace} ms, used ${Math.round(sinceTouch)} ms ago`)
  await server.stop('SIGKILL')
  Object.assign(server.env, { EX10_IDLE_TIMEOUT: '1', EX10_ON_SHUTDOWN: 'end' })
  server = await next(t, server)
  await eventually('the end of what was idle for long', async () => (await listSessions(server)).length === 0, 30_000)
  t.match(await validity(server, used), { valid: false, reason: 'session_idle' })
  await assertEndsClean(t, server)
})

t.test('whoever owns a session that is idle hears so although the server died while it ended it', { buffered: true, timeout: 100_000 }, async t => {
  const server = await serve(t, { ...lightDisplay(), ...OFF, EX10_IDLE_TIMEOUT: '2', EX10_FAILPOINT: 'undo-firewall:before:kill9' })
  const session = await createSession(server)
  await once(server.child, 'exit')
  const again = await next(t, { env: { ...server.env, EX10_FAILPOINT: '' } })
  t.strictSame(await validity(again, session), { valid: false, reason: 'session_idle' })
  t.match(again.output(), new RegExp(`${session.id}","reason":"idle".*session ended`), 'as the log says')
  await assertEndsClean(t, again)
})
