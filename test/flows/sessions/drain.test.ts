import t from 'tap'
import { adminCommand } from '#support/access/admin-command.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, beginCreation, listSessions, next, serve } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { nextEvent, pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

const drain = (server: Server, body?: object) => ask(server, '/admin/drain', { method: 'POST', ...(body && { body }) })
const cancel = (server: Server) => ask(server, '/admin/drain', { method: 'DELETE' })
const typesOf = async (server: Server, id: string) => (await pastEvents(server, id)).map(({ type }) => type).filter(type => ['draining', 'drain-cancelled', 'expiring', 'extended'].includes(type))

t.test('a drained server takes no new sessions and says so; its sessions hear when they end, and end then', async t => {
  const browser = heldBrowser(t)
  const server = await serve(t, { ...browser.settings, EX10_MAX_SESSIONS: '2', EX10_WHEN_FULL: 'queue', EX10_CONNECT_TIMEOUT: '0' })
  t.match(await read(server, '/admin/drain'), { draining: false, sessions: 0 })
  const { id } = await createSession(server)
  browser.hold()
  const making = await beginCreation(server)
  await making.until('browser')
  const waiting = await beginCreation(server)
  t.match(await waiting.next(), { status: 'queued' })
  const readers = fetch(`${server.url}/sessions/${id}/events`).then(answer => answer.text())

  const begun = await drain(server)
  t.match(begun, { status: 200, body: { draining: true, since: /^20/, atDeadline: 'end', sessions: 2 } }, 'with ten minutes, where nothing else is said')
  t.ok(Math.abs(Date.parse(begun.body.deadline) - Date.now() - 600_000) < 10_000, begun.body.deadline)
  t.match((await waiting.end()).at(-1), { status: 'error', data: { code: 'EX10_DRAINING' } }, 'a creation that waits is refused')
  for (const path of ['/createSession', '/ready']) {
    t.match(await ask(server, path), { status: 503, headers: { 'retry-after': '60' }, body: { code: 'EX10_DRAINING' } }, path)
  }
  t.match(await read(server, '/health'), { draining: true, waiting: 0 })
  t.match(await nextEvent(server, id, { type: 'draining' }), { expiresAt: begun.body.deadline, expiresBecause: 'drain' }, 'a live session is told')
  const { expiresAt, expiresBecause } = await read(server, '/sessions/:id', { id })
  t.equal(expiresBecause, 'drain')
  t.ok(Math.abs(Date.parse(expiresAt!) - Date.parse(begun.body.deadline)) < 1000, 'the session says the same')
  browser.release()
  const made = (await making.end()).at(-1)
  t.match(made, { status: 'complete' }, 'a creation that had its place is finished')
  const late = made?.status === 'complete' ? made.data.sessionId : ''
  await nextEvent(server, late, { type: 'expiring', expiresBecause: 'drain' })
  for (const wrong of [{ deadline: -1 }, { deadline: 1.5 }, { deadline: 604_801 }, { atDeadline: 'never' }, { other: 1 }]) {
    t.match(await drain(server, wrong), { status: 400 }, JSON.stringify(wrong))
  }

  t.match(await drain(server, { deadline: 2 }), { status: 200, body: { since: begun.body.since, sessions: 2 } }, 'a second request sets another deadline')
  t.match(JSON.parse((await readers).trim().split('\n').at(-1)!), { type: 'ended', reason: 'drained' })
  await eventually('no session', async () => (await read(server, '/admin/drain')).sessions === 0)
  t.strictSame((await ask(server, `/sessions/${id}/valid`)).body, { valid: false, reason: 'session_expired' })
  t.match(await ask(server, '/createSession'), { status: 503 }, 'nor does it take sessions afterwards')
  const { entries } = (await ask(server, '/admin/audit-log?action=server.drain')).body
  t.match(entries, [{ user: 'local', address: '127.0.0.1', details: { atDeadline: 'end', sessions: 2 } }, { details: { deadline: begun.body.deadline } }], 'the audit log has both')
  t.equal(entries.length, 2)
  await assertEndsClean(t, server)
})

t.test('a drain that waits ends no session, and a cancelled drain leaves no trace: sessions live on, new ones are made', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_CONNECT_TIMEOUT: '0' }) // that clock would be over first
  const { id } = await createSession(server)
  t.match(await drain(server, { deadline: 0, atDeadline: 'wait' }), { status: 200, body: { draining: true, atDeadline: 'wait', sessions: 1 } })
  t.notOk((await nextEvent(server, id, { type: 'draining' })).expiresAt, 'it is not told of an end')
  t.strictSame((await listSessions(server)).map(({ id, state }) => [id, state]), [[id, 'ready']], 'after its deadline')
  t.match(await drain(server, { deadline: 600 }), { status: 200, body: { atDeadline: 'end' } })
  await nextEvent(server, id, { type: 'expiring' })
  t.match(await cancel(server), { status: 200, body: { draining: false, deadline: undefined, sessions: 1 } })
  t.strictSame(await typesOf(server, id), ['draining', 'draining', 'expiring', 'extended', 'drain-cancelled'])
  t.not((await read(server, '/sessions/:id', { id })).expiresBecause, 'drain')
  t.match(await read(server, '/ready'), { ready: true })
  t.match((await ask(server, '/admin/audit-log?action=server.drain-cancelled')).body, { entries: [{ user: 'local' }] })
  await endSession(server, (await createSession(server)).id)

  await drain(server, { deadline: 600 })
  await server.stop('SIGKILL')
  const second = await next(t, server)
  t.match(await read(second, '/admin/drain'), { draining: false, sessions: 1 }, 'a server that is started again takes sessions, and its sessions live')
  t.match(await read(second, '/ready'), { ready: true })
  await assertEndsClean(t, second)
})

t.test('a terminal drains a server, waits until no session is left, and says when that does not come', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys' })
  const ada = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const command = (...words: string[]) => adminCommand(server, 'drain', ...words)
  await createSession(ada)
  t.match(await command('--at-deadline', 'wait'), { code: 0, stdout: /^drained since .*: sessions go on after it\none session is left\n$/ }, 'without --wait, it returns at once')
  t.match(await command('--at-deadline', 'wait', '--wait', '1'), { code: 1, stdout: /one session is left\n$/, stderr: 'ex10: the time to wait is over: one session is left\n' })
  const waiting = command('--wait', '60')
  await eventually('a drain that ends sessions', async () => (await read(ada, '/admin/drain')).atDeadline === 'end')
  t.match(await command('--cancel'), { code: 0, stdout: 'the server takes sessions again\n' })
  t.match(await waiting, { code: 1, stderr: /^ex10: the drain was cancelled/ })
  t.match(await command('--deadline', '1', '--wait', '60'), { code: 0, stdout: /^drained since .*: sessions are ended then\none session is left\nno session is left\n$/ })
  for (const words of [['--wait', 'x'], ['--deadline', '1.5'], ['--cancel', '--wait', '1']]) t.match(await command(...words), { code: 1, stderr: /usage: npm run admin/ }, words.join(' '))
  await assertEndsClean(t, ada)
})
