import { readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, beginCreation, listSessions, next, serve } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, pushCode, testEnv } from '#support/servers/server.ts'

const KEYS = { ...lightDisplay(), EX10_AUTH: 'keys' }

t.test('an API key is made in a terminal, opens what it is good for, and nothing once it is revoked', async t => {
  const server = await serve(t, KEYS)
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const watcher = as(server, await keysCommand(server, 'create', '--user', 'anna', '--scopes', 'view'))

  const nobody = await ask(server, '/sessions')
  t.match([nobody.status, nobody.body, nobody.headers['www-authenticate']], [401, { success: false, code: 'EX10_UNAUTHENTICATED' }, /^Bearer/])
  for (const authorization of ['Bearer ex10_' + 'A'.repeat(43), 'Bearer', 'Basic YTpi', anna.headers!.authorization + 'x', '']) {
    t.match(await ask({ ...server, headers: { authorization } }, '/sessions'), { status: 401, body: { code: 'EX10_UNKNOWN_KEY' } }, `not with "${authorization.slice(0, 12)}"`)
  }
  t.strictSame((await ask(anna, '/me')).body, { user: 'anna', role: 'user', scopes: ['create', 'view', 'push'] })

  const { id } = await createSession(anna)
  t.equal((await ask(watcher, `/sessions/${id}`)).body.owner, 'anna', 'another key of the same user sees it')
  t.match(await ask(watcher, '/createSession'), { status: 403, body: { code: 'EX10_FORBIDDEN', details: { scope: 'create' } } })
  t.equal((await pushCode(watcher, { sessionId: id, filePath: 'a.js', content: '' })).status, 403)
  t.equal((await endSession(watcher, id)).status, 403)
  t.equal((await ask(anna, '/admin/audit')).status, 403)
  t.equal((await ask(admin, '/admin/audit')).status, 200, 'the control')
  t.equal((await pushCode(anna, { sessionId: id, filePath: 'a.js', content: '' })).status, 200, 'the control')

  const made = await ask(admin, '/admin/keys', { method: 'POST', body: { user: 'ben', scopes: ['view'], expiresAt: '2100-01-01T00:00:00Z' } })
  t.match([made.status, made.body], [201, { key: /^ex10_/, user: 'ben', role: 'user', scopes: ['view'], expiresAt: '2100-01-01T00:00:00.000Z' }])
  t.equal((await ask(as(server, made.body.key), '/sessions')).status, 200)
  for (const body of [{}, { user: '' }, { user: 'a b' }, { user: 'local' }, { user: 'terminal' }, { user: 'a', role: 'root' }, { user: 'a', scopes: ['admin'] }, { user: 'a', scopes: [] }, { user: 'a', expiresAt: '2001-01-01T00:00:00Z' }, { user: 'a', expiresAt: 'soon' }]) {
    const refused = await ask(admin, '/admin/keys', { method: 'POST', body })
    t.match([refused.status, refused.body.code], [400, 'EX10_BAD_REQUEST'], JSON.stringify(body))
  }

  const listed = (await read(admin, '/admin/keys')).keys
  t.strictSame(listed.map(({ user }) => user), ['ada', 'anna', 'anna', 'ben'])
  t.notMatch(JSON.stringify(listed), made.body.key, 'no key is shown again')
  t.equal((await ask(admin, `/admin/keys/${made.body.id}`, { method: 'DELETE' })).status, 200)
  t.equal((await ask(as(server, made.body.key), '/sessions')).status, 401, 'revoked by an admin')
  t.equal((await ask(admin, '/admin/keys/nothing', { method: 'DELETE' })).status, 404)
  await keysCommand(server, 'revoke', listed[2]!.id)
  t.equal((await ask(watcher, '/sessions')).status, 401, 'revoked in a terminal')
  t.equal((await ask(anna, '/sessions')).status, 200, 'no other is')
  t.match(await keysCommand(server, 'list'), /anna.*user.*revoked/)

  const kept = readdirSync(server.dataDir).filter(name => name.startsWith('keys.db'))
  t.ok(kept.length > 0)
  for (const file of kept) {
    t.equal(statSync(`${server.dataDir}/${file}`).mode & 0o777, 0o600)
    for (const { headers } of [admin, anna, watcher]) t.notOk(readFileSync(`${server.dataDir}/${file}`).includes(headers!.authorization!.slice('Bearer '.length)), 'no key is kept, only what it is known by')
  }
  t.notMatch(server.output(), anna.headers!.authorization!.slice('Bearer '.length), 'nor logged')
  t.equal((await endSession(anna, id)).status, 200)
  await assertEndsClean(t, admin)
})

t.test('a key can be made before the server has ever run', async t => {
  const env = testEnv(KEYS)
  rmSync(env.EX10_DATA_DIR!, { recursive: true })
  t.teardown(() => { rmSync(env.EX10_DATA_DIR!, { recursive: true }) })
  const key = await keysCommand({ env }, 'create', '--user', 'ada', '--role', 'admin')
  t.match(await keysCommand({ env }, 'list'), /ada/)
  symlinkSync('../templates', `${env.EX10_DATA_DIR}/templates`) // as set-up does
  const admin = as(await next(t, { env }), key)
  t.match(await ask(admin, '/me'), { status: 200, body: { user: 'ada', role: 'admin' } })
  t.equal((await ask({ ...admin, headers: {} }, '/me')).status, 401)
  await assertEndsClean(t, admin)
})

t.test('of somebody else\'s session, nobody learns that it is there, but an admin', async t => {
  const browser = heldBrowser(t)
  const server = await serve(t, { ...KEYS, ...browser.settings })
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const ben = as(server, await keysCommand(server, 'create', '--user', 'ben'))
  const { id } = await createSession(anna)
  const unknown = 'f'.repeat(32)
  const requests: [string, string, object?][] = [
    ['GET', '/sessions/ID'], ['GET', '/sessions/ID/logs?source=xpra'], ['GET', '/sessions/ID/events?follow=false'], ['POST', '/sessions/ID/touch'], ['POST', '/sessions/ID/refresh'], ['GET', '/sessions/ID'], ['GET', '/session/ID/index.html'], ['GET', '/session/ID'],
    ['GET', '/session/ID/'], ['GET', '/session/ID/connect.html'], ['POST', '/updateCode', { sessionId: 'ID', filePath: 'a.js', content: '' }], ['DELETE', '/sessions/ID'], ['DELETE', '/session/ID']
  ]
  for (const [method, path, body] of requests) {
    const answers = await Promise.all([id, unknown].map(name => ask(ben, path.replace('ID', name), { method, body: body && JSON.stringify(body).replace('ID', name) })))
    t.equal(answers[0]!.status, 404, `${method} ${path}`)
    t.strictSame(answers[0]!.body, answers[1]!.body, 'as of one that never was')
  }
  t.strictSame((await ask(ben, `/sessions/${id}/valid`)).body, { valid: false, reason: 'session_not_found' })
  t.strictSame((await ask(anna, `/sessions/${id}/valid`)).body, { valid: true }, 'the control')
  t.strictSame(await listSessions(ben), [])
  t.match(await listSessions(anna), [{ id }])
  t.match(await listSessions(admin), [{ id, owner: 'anna' }])
  t.equal((await ask(anna, `/session/${id}/index.html`)).status, 200, 'the control')
  t.equal((await pushCode(anna, { sessionId: id, filePath: 'a.js', content: '' })).status, 200)
  t.equal((await ask(admin, `/session/${id}/index.html`)).status, 200)

  browser.hold()
  const creation = await beginCreation(ben)
  await creation.until('browser')
  t.match((await listSessions(ben)).map(({ state }) => state), ['creating'])
  t.strictSame((await listSessions(anna)).map(({ id }) => id), [id], 'nor of one that is being made')
  browser.release()
  await creation.end()
  t.equal((await endSession(ben, (await listSessions(ben))[0]!.id)).status, 200)
  t.equal((await endSession(admin, id)).status, 200, 'an admin ends any')
  await assertEndsClean(t, admin)
})
