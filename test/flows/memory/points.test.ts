import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { inside } from '#support/sandbox.ts'
import { auditFromServer, CLEAN } from '#support/servers/audit.ts'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

t.jobs = 3 // they wait more than they work

/** What a user does with a session: `text` is in its code and its state. */
async function use (server: Server, { id }: CreatedSession, text: string): Promise<void> {
  const pushed = await pushCode(server, { sessionId: id, filePath: 'kept.js', content: text })
  const put = await ask(server, `/sessions/${id}/state/user_data/kept`, { method: 'PUT', body: JSON.stringify(text) })
  if (!pushed.ok || put.status >= 300) throw new Error(`not used: ${pushed.status} ${put.status}`)
}

const recoverable = async (server: Server): Promise<{ sessionId: string, reason: string, version: number }[]> => (await ask(server, '/recoverable')).body.sessions

/** Brings a session back. Returns its reason, and what was used in it. */
async function broughtBack (server: Server, { id }: CreatedSession): Promise<{ reason: string | undefined, code: string, state: unknown }> {
  const point = (await recoverable(server)).find(({ sessionId }) => sessionId === id)
  const { body: { token } } = await ask(server, `/recoverable/${id}/token`, { method: 'POST' })
  const { body: { sessionId } } = await ask(server, '/recover', { method: 'POST', body: { token }, headers: { accept: 'application/json' } })
  const found = { reason: point?.reason, code: (await ask(server, `/sessions/${sessionId}/files/kept.js`)).text, state: (await ask(server, `/sessions/${sessionId}/state/user_data/kept`)).body }
  await endSession(server, sessionId)
  return found
}

t.test('a session that a clock, a drain or a shutdown has ended comes back as it was at its end, not as it was noted last', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_SESSION_TIMEOUT: '8', EX10_EXPIRY_WARNING: '0' })
  const byClock = await createSession(server)
  await use(server, byClock, 'early')
  await use(server, byClock, 'of the clock')
  await eventually('an end by the clock', async () => (await recoverable(server)).length === 1, 20_000)
  t.strictSame(await broughtBack(server, byClock), { reason: 'expired', code: 'of the clock', state: 'of the clock' })

  const byDrain = await createSession(server)
  await use(server, byDrain, 'of the drain')
  t.equal((await ask(server, '/admin/drain', { method: 'POST', body: { deadline: 0 } })).status, 200)
  await eventually('an end by the drain', async () => (await recoverable(server)).length === 1, 20_000)
  await ask(server, '/admin/drain', { method: 'DELETE' })
  t.strictSame(await broughtBack(server, byDrain), { reason: 'drained', code: 'of the drain', state: 'of the drain' })

  const byShutdown = await createSession(server)
  await use(server, byShutdown, 'of the shutdown')
  await server.stop()
  const second = await next(t, server)
  t.strictSame(await broughtBack(second, byShutdown), { reason: 'shutdown', code: 'of the shutdown', state: 'of the shutdown' })
  t.strictSame(await recoverable(second), [], 'what was brought back is not offered again, nor what its user has ended')
  await assertEndsClean(t, second)
})

t.test('a live session is noted at each interval when something has happened, and only then; after the window nothing is left', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_RECOVERY_INTERVAL: '1', EX10_RECOVERY_WINDOW: '6' })
  const session = await createSession(server)
  const records = new DatabaseSync(`${server.dataDir}/records.db`, { readOnly: true })
  t.teardown(() => records.close())
  /** How often it was noted. */
  const noted = () => Number(records.prepare('SELECT revision FROM records WHERE partition = ? AND key = ?').get(`snapshots/${session.id}`, 'last')?.revision ?? 0)
  for (const text of ['one', 'two']) {
    const before = noted()
    await use(server, session, text)
    await eventually('a new point', () => noted() > before)
  }
  await delay(2000) // a use may come between two looks
  const before = noted()
  await delay(3500)
  t.equal(noted(), before, 'without a use, it is not noted again')

  process.kill((await inside(t, server, session)).init, 'SIGKILL')
  await eventually('its end', async () => (await recoverable(server)).length === 1, 20_000)
  const { body: { token } } = await ask(server, `/recoverable/${session.id}/token`, { method: 'POST' })
  await eventually('the end of the window', async () => (await recoverable(server)).length === 0, 20_000)
  t.match(await ask(server, '/recover', { method: 'POST', body: { token } }), { status: 404, body: { code: 'EX10_NOTHING_TO_RECOVER' } })
  await eventually('nothing of it in the stores', async () => (await auditFromServer(server)).leaked.length === CLEAN.leaked.length && noted() === 0, 20_000)
  await assertEndsClean(t, server)
})

t.test('a user\'s recovery points and preferences are erased on request, and the answer counts them', { buffered: true }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_SESSION_TIMEOUT: '4', EX10_EXPIRY_WARNING: '0' })
  const session = await createSession(server)
  await use(server, session, 'erase me')
  t.equal((await ask(server, `/sessions/${session.id}/state/preferences/colour`, { method: 'PUT', body: '"red"' })).status, 201)
  await eventually('its end', async () => (await ask(server, '/sessions')).body.sessions.length === 0, 20_000)
  t.match((await ask(server, '/users/local/data', { method: 'DELETE' })), { status: 200, body: { erased: { recoveryPoints: 1, preferences: 1 }, failed: [] } })
  t.strictSame(await recoverable(server), [])
  const after = await createSession(server)
  t.equal((await ask(server, `/sessions/${after.id}/state/preferences/colour`)).status, 404, 'the next session begins without them')
  t.equal((await endSession(server, after.id)).status, 200)
  await assertEndsClean(t, server)
})
