import t from 'tap'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { openSocket, socketDisplay } from '#support/display/socket-display.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

const analyticsOf = async (server: Server, id: string) => {
  const { status, body } = await ask(server, `/sessions/${id}/analytics`)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body
}

t.test('a session\'s owner sees what it did and used, live and after its end, over a kill -9 of the server, counted once', async t => {
  const settings = { ...socketDisplay(t), EX10_AUTH: 'keys', EX10_COST_PER_HOUR: '3.6' }
  let server = await serve(t, settings)
  const [ada, anna, ben] = await Promise.all([['ada', '--role', 'admin'], ['anna'], ['ben']].map(async words => as(server, await keysCommand(server, 'create', '--user', ...words))))
  const to = (who: Server | undefined) => ({ ...server, headers: who!.headers! })
  const session = await createSession(to(anna))
  const { id } = session
  const push = () => ask(to(anna), '/updateCode', { method: 'POST', body: { sessionId: id, filePath: 'a.js', content: String(Math.random()) } })
  t.match(await analyticsOf(to(anna), id), { id, owner: 'anna', viewing: { views: 0 }, code: { pushes: 0 }, machine: { servers: 1 }, timeline: [] })
  for (const what of ['first', 'second']) t.equal((await push()).status, 200, what)
  t.equal((await ask(to(anna), `/sessions/${id}/files/none.js`)).status, 404)
  const sockets = [await openSocket(t, session, anna!.headers), await openSocket(t, session, anna!.headers)]
  await eventually('viewers', async () => (await analyticsOf(to(anna), id)).viewing.views === 2)
  for (const socket of sockets) socket.close()

  const before = await analyticsOf(to(anna), id)
  t.match(before, {
    viewing: { views: 2, viewers: 1, atOnce: 2 },
    code: { pushes: 2, files: 2, builds: 0 },
    requests: { refused: 1 },
    machine: { programExits: 0, servers: 1, sentBytes: Number, receivedBytes: Number },
    cost: { perHour: 3.6 }
  })
  t.ok(before.machine.cpuSeconds > 0 && before.machine.memoryPeakBytes > 1_000_000, 'the kernel has counted', before.machine)
  t.ok(Math.abs(before.time.active + before.time.idle - before.time.duration) < 0.01)
  t.ok(Math.abs(before.cost.estimate - before.time.duration / 1000) < 0.001, 'hours times the price of one')
  t.match(before.timeline, [{ seconds: 60, pushes: 2, views: 2 }])

  await new Promise(resolve => setTimeout(resolve, 1500)) // what is older than a second survives
  await server.stop('SIGKILL')
  server = await next(t, server)
  const after = await analyticsOf(to(anna), id)
  t.match(after, { viewing: before.viewing, code: before.code, machine: { servers: 2 }, timeline: [{ pushes: 2, views: 2 }] }, 'the next server goes on counting')
  t.ok(after.machine.cpuSeconds >= before.machine.cpuSeconds && after.machine.cpuSeconds < before.machine.cpuSeconds + after.time.duration - before.time.duration + 1, 'CPU time counts once', { before: before.machine, after: after.machine })
  t.ok(after.time.duration > before.time.duration && after.requests.count >= before.requests.count)
  t.equal((await push()).status, 200)

  for (const who of [ben]) t.match(await ask(to(who), `/sessions/${id}/analytics`), { status: 404, body: { code: 'EX10_SESSION_NOT_FOUND' } })
  t.equal((await analyticsOf(to(ada), id)).code.pushes, 3, 'admins see them')
  t.equal((await endSession(to(anna), id)).status, 200)
  const last = await analyticsOf(to(anna), id)
  t.match(last, { end: { at: /^20/, state: 'ended', reason: 'deleted' }, code: { pushes: 3, files: 3 }, machine: { servers: 2 } })
  t.ok(last.machine.cpuSeconds >= after.machine.cpuSeconds, 'the counters were read before the teardown')
  t.equal((await ask(to(ben), `/sessions/${id}/analytics`)).status, 404)
  t.equal(await server.stop(), 0)
  server = await next(t, server)
  t.strictSame(await analyticsOf(to(anna), id), last, 'the same after a restart')
  t.strictSame(await analyticsOf(to(ada), id), last)

  const usage = await ask(to(ada), '/admin/analytics?period=hour')
  t.match(usage, {
    status: 200,
    body: { period: 'hour', active: 0, total: 1, ended: 1, failed: 0, users: 1, peak: 1, failures: [], ends: [{ reason: 'deleted', count: 1 }], byTemplate: [{ name: 'vanilla', sessions: 1 }], byUser: [{ name: 'anna', sessions: 1, failed: 0 }] }
  }, 'admins see sums over all sessions')
  t.ok(Math.abs(usage.body.durations.mean - last.time.duration) < 0.01)
  for (const csv of [await ask(to(ada), '/admin/analytics?period=week&format=csv'), await ask(to(ada), '/admin/analytics?period=week', { headers: { accept: 'text/csv' } })]) {
    t.match(csv.headers, { 'content-type': /^text\/csv/, 'content-disposition': /attachment; filename="ex10-week.csv"/ })
    t.match(csv.text, /^metric,name,value\r\n[^]*\r\ntotal,,1\r\n[^]*\r\nuser sessions,anna,1\r\n/)
  }
  t.match(await ask(to(ada), '/admin/analytics?period=year'), { status: 400 })

  const erase = (who: Server | undefined, user: string) => ask(to(who), `/users/${user}/data`, { method: 'DELETE' })
  t.match(await erase(ben, 'anna'), { status: 403, body: { code: 'EX10_FORBIDDEN' } }, 'a user erases nobody else')
  t.match(await erase(ada, 'server'), { status: 400 })
  const other = await createSession(to(anna))
  t.match(await erase(ada, 'anna'), { status: 409, body: { code: 'EX10_USER_HAS_SESSIONS' } })
  await endSession(to(anna), other.id)
  t.match(await erase(anna, 'anna'), { status: 200, body: { erased: { analytics: 2, statistics: 1, auditLog: Number }, failed: [] } })
  for (const who of [anna, ada]) t.equal((await ask(to(who), `/sessions/${id}/analytics`)).status, 404)
  t.match((await ask(to(ada), '/admin/analytics')).body, { total: 2, users: 0, byUser: [], byTemplate: [{ sessions: 2 }] }, 'sums stay, names go')
  const log = (await ask(to(ada), '/admin/audit-log?verify=true')).body
  t.equal(log.intact, true)
  t.notMatch(JSON.stringify(log.entries), 'anna')
  t.match(log.entries[0], { user: 'erased', action: 'user.erased', details: { analytics: 2 } })
  t.match(await erase(ada, 'anna'), { status: 200, body: { erased: { analytics: 0, statistics: 0, auditLog: 0 } } })
  await assertEndsClean(t, to(ada))
})

t.test('with EX10_TRACKING=0 nothing is counted, and the routes say so', async t => {
  const server = await serve(t, { ...socketDisplay(t), EX10_TRACKING: '0' })
  const { id } = await createSession(server)
  t.match(await ask(server, `/sessions/${id}/analytics`), { status: 409, body: { code: 'EX10_TRACKING_OFF' } })
  t.match(await ask(server, '/admin/analytics'), { status: 409, body: { code: 'EX10_TRACKING_OFF' } })
  await endSession(server, id)
  await assertEndsClean(t, server)
})
