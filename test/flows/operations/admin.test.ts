import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, beginCreation, listSessions, next, serve } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { adminCommand } from '#support/access/admin-command.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'
import { openSocket, socketDisplay } from '#support/display/socket-display.ts'

/** A server with an admin and two users, who have their own keys. */
async function serveTeam (t: Test, settings: Record<string, string> = {}): Promise<Record<'server' | 'ada' | 'anna' | 'ben', Server>> {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', ...settings })
  const keyOf = (...words: string[]) => keysCommand(server, 'create', '--user', ...words)
  return { server, ada: as(server, await keyOf('ada', '--role', 'admin')), anna: as(server, await keyOf('anna')), ben: as(server, await keyOf('ben')) }
}

t.test('an admin sees everybody\'s sessions, from where they were asked for, and who is connected to them; a user sees nothing of that', async t => {
  const { ada, anna, ben } = await serveTeam(t, socketDisplay(t))
  const first = await createSession(anna)
  const second = await createSession(ben)
  const third = await createSession(anna)
  const list = async (query = '') => {
    const { status, body } = await ask(ada, `/admin/sessions${query}`)
    t.equal(status, 200, query)
    return body
  }
  const idsOf = (page: { sessions: { id: string }[] }) => page.sessions.map(({ id }) => id)

  const all = await list()
  t.strictSame([idsOf(all), all.total, all.next], [[first.id, second.id, third.id], 3, undefined], 'all, oldest first')
  t.match(all.sessions[0], { owner: 'anna', state: 'ready', address: '127.0.0.1', port: Number, authenticated: true, lastActivityAt: /^20/ })
  t.strictSame(all.sessions[0].channels, [])
  t.strictSame(idsOf(await list('?user=anna')), [first.id, third.id])
  t.strictSame(idsOf(await list('?user=anna&state=stopping')), [])
  t.strictSame(idsOf(await list('?user=nobody')), [])
  t.strictSame(idsOf(await list('?olderThan=3600')), [], 'none is that old')
  t.strictSame(idsOf(await list('?olderThan=0')).length, 3)
  t.strictSame(idsOf(await list('?idle=3600')), [], 'nor has one been idle for that long')
  await eventually('all idle for two seconds', async () => (await list('?idle=2')).total === 3)
  t.equal((await ask(anna, `/sessions/${third.id}/touch`, { method: 'POST' })).status, 200)
  t.strictSame(idsOf(await list('?idle=2&user=anna')), [first.id], 'the one that was used is not idle')
  t.strictSame(idsOf(await list('?idle=0')).length, 3, 'each has been for no time at all')

  const page = await list('?limit=2')
  t.strictSame([idsOf(page), page.total], [[first.id, second.id], 3])
  await endSession(anna, first.id)
  t.strictSame(idsOf(await list(`?limit=2&after=${page.next}`)), [third.id], 'the next page misses none, although one of the last has ended')
  for (const wrong of ['limit=0', 'limit=501', 'state=lost', 'user=a%20b', 'after=x', 'olderThan=-1', 'idle=-1', 'idle=x', 'other=1']) {
    t.match(await ask(ada, `/admin/sessions?${wrong}`), { status: 400, body: { code: 'EX10_BAD_REQUEST' } }, wrong)
  }

  const socket = await openSocket(t, third, anna.headers)
  const reading = new AbortController()
  const events = await fetch(`${anna.url}/sessions/${third.id}/events`, { headers: anna.headers!, signal: reading.signal })
  const channels = async () => (await list()).sessions.find(({ id }: { id: string }) => id === third.id).channels
  t.match(await channels(), [
    { id: /^[0-9a-f]{16}$/, type: 'viewer', address: '127.0.0.1', port: Number, openedAt: /^20/ },
    { id: /^[0-9a-f]{16}$/, type: 'events', user: 'anna', address: '127.0.0.1', port: Number }
  ])
  socket.close()
  reading.abort()
  await events.text().catch(() => {})
  await eventually('no channel', async () => (await channels()).length === 0)

  for (let i = 0; i < 40; i++) await fetch(`${anna.url}/sessions/${third.id}/events`, { method: 'HEAD', headers: anna.headers! })
  t.strictSame(await channels(), [], 'who asks for the head of a stream keeps none open')

  for (const [method, path] of [['GET', '/admin/sessions'], ['DELETE', `/admin/sessions/${third.id}`], ['DELETE', '/admin/users/anna/sessions'], ['GET', '/admin/stats'], ['GET', '/admin/audit-log']] as const) {
    t.match(await ask(anna, path, { method }), { status: 403, body: { code: 'EX10_FORBIDDEN' } }, `${method} ${path} is for admins`)
  }
  const told = await fetch(`${ben.url}/sessions/${second.id}/events`, { headers: ben.headers! })
  t.equal((await ask(ada, `/admin/sessions/${second.id}`, { method: 'DELETE' })).status, 200)
  t.match(JSON.parse((await told.text()).trim().split('\n').at(-1)!), { type: 'ended', reason: 'killed' }, 'whoever reads its events hears that an admin ended it')
  t.strictSame((await ask(ben, `/sessions/${second.id}/valid`)).body, { valid: false, reason: 'session_killed' }, 'as does its owner, for an hour')
  t.equal((await ask(ada, `/admin/sessions/${second.id}`, { method: 'DELETE' })).status, 404)
  t.strictSame(await listSessions(ben), [], 'an admin ends any')
  const fourth = await createSession(ben)
  t.equal((await endSession(ada, fourth.id)).status, 200)
  t.strictSame((await ask(ben, `/sessions/${fourth.id}/valid`)).body, { valid: false, reason: 'session_killed' }, 'by whichever route an admin ends what is not theirs')
  t.match((await ask(ada, `/admin/audit-log?target=${fourth.id}&action=session.ended`)).body.entries, [{ details: { owner: 'ben', reason: 'killed' } }])
  t.equal((await ask(ada, `/admin/sessions/${third.id}?violation=true`, { method: 'DELETE' })).status, 200)
  t.strictSame((await ask(anna, `/sessions/${third.id}/valid`)).body, { valid: false, reason: 'security_violation' }, 'and may say that it is for a violation')
  t.strictSame((await ask(ben, `/sessions/${third.id}/valid`)).body, { valid: false, reason: 'session_not_found' }, 'which only its owner hears')
  await assertEndsClean(t, ada)
})

t.test('all of a user\'s sessions are ended at once, also those that are being made or wait; a dry run says which, and ends none', async t => {
  const browser = heldBrowser(t)
  const { ada, anna, ben } = await serveTeam(t, { ...browser.settings, EX10_MAX_SESSIONS_PER_USER: '2', EX10_WHEN_FULL: 'queue' })
  const [first, others] = [await createSession(anna), await createSession(ben)]
  browser.hold()
  const creation = await beginCreation(anna)
  await creation.until('browser')
  const waiting = await beginCreation(anna)
  t.match(await waiting.next(), { status: 'queued' })
  const ids = (await listSessions(anna)).map(({ id }) => id)
  const kill = async (query: string) => (await ask(ada, `/admin/users/anna/sessions${query}`, { method: 'DELETE' })).body
  t.strictSame(await kill('?dryRun=1'), { dryRun: true, ended: ids, failed: [] })
  t.equal((await listSessions(anna)).length, 2)
  t.strictSame(await kill(''), { dryRun: false, ended: ids, failed: [] })
  t.ok(ids.includes(first.id))
  t.strictSame((await ask(anna, `/sessions/${first.id}/valid`)).body, { valid: false, reason: 'session_killed' })
  t.match((await creation.end()).at(-1), { status: 'error' }, 'whoever waits for one hears of it')
  t.match((await waiting.end()).at(-1), { status: 'error', data: { code: 'EX10_ENDED_BY_ADMIN' } }, 'so does whoever waits for a turn')
  t.strictSame(await listSessions(anna), [])
  t.strictSame((await listSessions(ben)).map(({ id }) => id), [others.id], 'nobody else\'s')
  t.strictSame(await kill(''), { dryRun: false, ended: [], failed: [] })
  t.equal((await ask(ada, '/admin/users/a%20b/sessions', { method: 'DELETE' })).status, 400)
  const odd = 'https://login.example.com/id/' + '/'.repeat(226)
  t.match(await ask(ada, `/admin/users/${encodeURIComponent(odd)}/sessions`, { method: 'DELETE' }), { status: 200, body: { ended: [] } }, 'whatever a provider calls its people')
  await endSession(ben, others.id)
  await assertEndsClean(t, ada)
})

t.test('sessions are counted, now, since the start, and by day over starts', async t => {
  const browser = heldBrowser(t)
  const { server, ada, anna, ben } = await serveTeam(t, { ...browser.settings, EX10_MAX_SESSIONS: '2', EX10_WHEN_FULL: 'queue' })
  const stats = async () => (await ask(ada, '/admin/stats')).body
  const { days, ...unused } = await stats()
  t.match(unused, { now: { total: 0, users: 0, queued: 0 }, sinceStart: { created: 0, peak: 0 } })
  t.strictSame(days, [])
  const one = await createSession(anna)
  const two = await createSession(ben)
  const waiting = await beginCreation(anna)
  t.match(await waiting.next(), { status: 'queued' })
  t.strictSame((await stats()).now, { total: 2, authenticated: 2, users: 2, idle: 0, queued: 1, byState: { creating: 0, ready: 2, stopping: 0 } })
  waiting.leave()
  await endSession(anna, one.id)
  browser.hold()
  const left = await beginCreation(anna)
  await left.until('browser')
  left.leave()
  await eventually('an end of what was begun', async () => (await listSessions(anna)).length === 0)
  const made = await beginCreation(anna)
  await made.until('browser')
  await endSession(anna, (await listSessions(anna))[0]!.id)
  t.match((await made.end()).at(-1), { status: 'error' }, 'one that is deleted before it is ready has not become ready')
  const counted = { created: 2, failed: 2, ended: 1, users: 2, peak: 2 }
  const day = new Date().toISOString().slice(0, 10)
  t.match(await stats(), { now: { total: 1, byState: { ready: 1 } }, sinceStart: { startedAt: /^20/, ...counted } })
  t.strictSame((await stats()).days, [{ day, ...counted }])
  t.strictSame((await ask(ada, '/admin/stats?days=0')).body.days, [])

  await endSession(ben, two.id)
  t.equal(await server.stop(), 0)
  const later = { ...await next(t, server), headers: ada.headers! }
  t.match((await ask(later, '/admin/stats')).body, { sinceStart: { created: 0, ended: 0 }, days: [{ day, ...counted, ended: 2 }] })
  await assertEndsClean(t, later)
})

t.test('the audit log says who did what, and tells when one of its entries was changed or taken out', async t => {
  const { server, ada, anna } = await serveTeam(t)
  const { id } = await createSession(anna)
  const push = (user: Server) => ask(user, '/updateCode', { method: 'POST', body: { sessionId: id, filePath: 'a.js', content: '' } })
  for (const user of [anna, ada]) t.strictSame([(await ask(user, `/session/${id}/index.html`)).status, (await push(user)).status], [200, 200])
  await endSession(anna, id)
  const made = await ask(ada, '/admin/keys', { method: 'POST', body: { user: 'eve' } })
  await ask(ada, `/admin/keys/${made.body.id}`, { method: 'DELETE' })
  const log = async (query = '') => (await ask(ada, `/admin/audit-log${query}`)).body
  const { entries, head } = await log()
  t.match(entries, [
    { user: 'ada', action: 'key.revoked', target: made.body.id, details: { user: 'eve' } },
    { user: 'ada', action: 'key.created', target: made.body.id, details: { user: 'eve', role: 'user' } },
    { user: 'server', action: 'session.ended', target: id, details: { owner: 'anna', reason: 'deleted' } },
    { user: 'anna', address: '127.0.0.1', port: Number, action: 'session.end', target: id },
    { user: 'ada', address: '127.0.0.1', action: 'session.pushed', target: id, details: { owner: 'anna' } },
    { user: 'ada', address: '127.0.0.1', action: 'session.viewed', target: id, details: { owner: 'anna' } },
    { user: 'anna', address: '127.0.0.1', port: Number, action: 'session.created', target: id },
    ...['ben', 'anna', 'ada'].map(user => ({ user: 'terminal', action: 'key.created', details: { user } }))
  ], 'newest first; that an admin looked at somebody else\'s session and pushed to it is told, not that its owner did')
  t.equal(entries.length, 10)
  t.strictSame(head, { seq: entries.length, hash: entries[0].hash })
  t.notMatch(JSON.stringify(entries), made.body.key, 'no key is in it')
  const numbers = async (query: string) => (await log(query)).entries.map(({ seq }: { seq: number }) => seq)
  t.strictSame(await numbers('?limit=2'), [10, 9])
  t.strictSame(await numbers('?limit=2&before=7'), [6, 5])
  t.strictSame(await numbers(`?target=${id}&user=anna`), [7, 4])
  t.strictSame(await numbers('?action=key.revoked'), [10])
  t.equal((await ask(ada, '/admin/audit-log?action=lost')).status, 400)
  t.match(await log('?verify=true'), { intact: true, firstBroken: undefined })

  const database = new DatabaseSync(`${server.dataDir}/audit-log.db`)
  t.throws(() => database.exec('DELETE FROM entries WHERE seq = 3'), /append-only/)
  t.throws(() => database.exec('UPDATE entries SET hash = \'\''), /append-only/)
  t.throws(() => database.exec("INSERT INTO entries VALUES (0, '{}', '')"), /CHECK/, 'nor is anything put before the first')
  database.exec('DROP TRIGGER never_changed; DROP TRIGGER never_removed')
  database.exec('UPDATE entries SET text = replace(text, \'session.created\', \'session.failed\') WHERE seq = 4')
  t.match(await log('?verify=true'), { intact: false, firstBroken: 4 }, 'changed')
  database.exec('UPDATE entries SET text = replace(text, \'session.failed\', \'session.created\') WHERE seq = 4')
  t.match(await log('?verify=true'), { intact: true }, 'the control')
  database.exec('DELETE FROM entries WHERE seq = 6')
  t.match(await log('?verify=true'), { intact: false, firstBroken: 6 }, 'taken out')
  database.close()
  await assertEndsClean(t, ada)
})

t.test('who ends all of a user\'s sessions ends those, too, that have only been asked for', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_FAILPOINT: 'record:before:hang' }) // so that nothing is recorded yet
  const [ada, anna] = [as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin')), as(server, await keysCommand(server, 'create', '--user', 'anna'))]
  const creation = await beginCreation(anna)
  await creation.until('record')
  t.strictSame(await listSessions(ada), [], 'nothing is recorded')
  const { status, body } = await ask(ada, '/admin/users/anna/sessions', { method: 'DELETE' })
  t.strictSame([status, body], [200, { dryRun: false, ended: [], failed: [] }])
  t.match((await creation.end()).at(-1), { status: 'error', data: { code: 'EX10_ENDED_BY_ADMIN' } })
  t.equal((await endSession(anna, (await createSession(anna)).id)).status, 200, 'they may ask again')
  await assertEndsClean(t, ada)
})

t.test('a terminal lists, kills and counts on a running server, whether or not its users log in', async t => {
  for (const auth of ['none', 'keys']) {
    const server = await serve(t, { ...lightDisplay(), EX10_AUTH: auth })
    const ada = auth === 'none' ? server : as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
    const [one, two, three] = [await createSession(ada), await createSession(ada), await createSession(ada)]
    const user = auth === 'none' ? 'local' : 'ada'
    const listed = await adminCommand(server, 'list', '--user', user)
    t.match(listed, { code: 0, stderr: '' })
    t.strictSame(listed.stdout.trim().split('\n').map(line => line.split('  ').slice(0, 3)), [one, two, three].map(({ id }) => [id, 'ready', `${user}@127.0.0.1`]))
    t.match(await adminCommand(server, 'list', '--older-than', '3600'), { code: 0, stdout: '' })
    t.match(await adminCommand(server, 'list', '--idle', '3600'), { code: 0, stdout: '' })
    t.match(await adminCommand(server, 'kill', one.id), { code: 0, stdout: `ended  ${one.id}\n` })
    t.match(await adminCommand(server, 'kill', one.id), { code: 1, stderr: 'ex10: No such session\n' })
    t.match(await adminCommand(server, 'kill', '--user', user, '--dry-run'), { code: 0, stdout: `would end  ${two.id}\nwould end  ${three.id}\n` })
    t.match(await adminCommand(server, 'kill', '--user', 'nobody', '--dry-run'), { code: 0, stdout: '', stderr: 'nobody has no session: there is nothing to end\n' })
    t.match(await adminCommand(server, 'list', '--state', 'flying'), { code: 1, stderr: 'ex10: --state must be one of creating, ready, stopping\n' })
    t.match(JSON.parse((await adminCommand(server, 'stats')).stdout), { now: { total: 2 }, sinceStart: { created: 3 } })
    t.match(await adminCommand(server, 'kill', '--user', user), { code: 0, stdout: `ended  ${two.id}\nended  ${three.id}\n` })
    const oldest = (await adminCommand(server, 'log', '--before', '3')).stdout.trim().split('\n')
    t.strictSame(oldest.map(line => line.split('  ')[0]), ['1', '2'], 'also what is older than the newest entries')
    t.match(await adminCommand(server, 'log', '--verify'), { code: 0, stdout: /session\.end {2}/, stderr: /^intact up to \d+: [0-9a-f]{64}\n$/ })
    for (const words of [[], ['lost'], ['kill'], ['kill', one.id, '--user', user], ['kill', one.id, '--dry-run'], ['kill', '--user', user, '--violation'], ['list', '--lost']]) {
      t.match(await adminCommand(server, ...words), { code: 1, stderr: /usage: npm run admin/ }, words.join(' '))
    }
    if (auth === 'keys') t.match((await ask(ada, '/admin/keys')).body, { keys: [{ user: 'ada' }] }, 'the key of a command is gone with it')
    await assertEndsClean(t, ada)
  }
  const nowhere = { url: 'http://127.0.0.1:9', env: { EX10_DATA_DIR: '/nonexistent' } } as unknown as Server
  t.match(await adminCommand(nowhere, 'list'), { code: 1, stderr: /^ex10: no server answers at http:\/\/127\.0\.0\.1:9/ })
})
