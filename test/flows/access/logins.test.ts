import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { BrowserClient } from '#support/access/browser-client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'
import { readMeta, socketDisplay } from '#support/display/socket-display.ts'

const LOGINS = { ...lightDisplay(), EX10_AUTH: 'keys' }

async function servePeople (t: Test, settings: Record<string, string> = {}): Promise<{ server: Server, key: string, end: () => Promise<void> }> {
  const server = await serve(t, { ...LOGINS, ...settings })
  const key = await keysCommand(server, 'create', '--user', 'anna')
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  return { server, key, end: () => assertEndsClean(t, { ...admin, url: server.url }) }
}

t.test('a person logs in with their key; from then on a cookie speaks for them, which no script reads and no other site sends', async t => {
  const { server, key, end } = await servePeople(t)
  const browser = new BrowserClient(server)
  t.equal((await browser.ask('/me')).status, 401)
  t.equal((await browser.logIn('ex10_wrong')).status, 401)
  t.equal(browser.cookies.size, 0)
  const answer = await browser.logIn(key)
  t.match([answer.status, answer.body], [200, { success: true, message: /anna/ }])
  const cookie = answer.headers.getSetCookie().find(line => line.startsWith('ex10-login='))
  t.match(cookie, /; Path=\/; HttpOnly; SameSite=Lax$/)
  t.match((await browser.ask('/me')).body, { user: 'anna', csrfToken: String })

  const first = browser.cookies.get('ex10-login')!
  const forged = new BrowserClient(server)
  for (const value of [first.slice(0, -1) + (first.endsWith('A') ? 'B' : 'A'), first.split('.')[0]!, 'x'.repeat(43) + '.' + first.split('.')[1], '']) {
    forged.cookies.set('ex10-login', value)
    t.equal((await forged.ask('/me')).status, 401, 'not one that was changed')
  }
  await browser.logIn(key)
  t.not(browser.cookies.get('ex10-login'), first, 'who logs in again has a new one')
  forged.cookies.set('ex10-login', first)
  t.equal((await forged.ask('/me')).status, 401, 'and the old one is good for nothing')
  const page = await new BrowserClient(server).ask('/session/' + 'a'.repeat(32) + '/index.html', { headers: { 'sec-fetch-dest': 'document' } })
  t.match([page.status, page.headers.get('location')], [302, '/?next=%2Fsession%2F' + 'a'.repeat(32) + '%2Findex.html'], 'who opens an address without a login is asked to log in')
  await end()
})

t.test('what a cookie authenticates changes nothing without the token of that login', async t => {
  const { server, key, end } = await servePeople(t)
  const browser = new BrowserClient(server)
  await browser.logIn(key)
  const { csrfToken } = (await browser.ask('/me')).body
  const other = new BrowserClient(server)
  await other.logIn(key)
  const { csrfToken: foreign } = (await other.ask('/me')).body
  const changes: [string, string, object?][] = [
    ['GET', '/createSession'], ['POST', '/sessions', {}], ['POST', '/updateCode', { sessionId: 'x', filePath: 'a', content: '' }],
    ['DELETE', '/sessions/x'], ['DELETE', '/session/x'], ['POST', '/logout']
  ]
  for (const [method, path, body] of changes) {
    for (const token of [undefined, '', 'x', foreign]) {
      const refused = await browser.ask(path, { method, ...(body && { body }), ...(token !== undefined && { headers: { 'x-csrf-token': token } }) })
      t.match([refused.status, refused.body], [403, { success: false, code: 'EX10_CSRF' }], `${method} ${path} with ${token === foreign ? 'that of another login' : JSON.stringify(token)}`)
    }
  }
  t.equal((await browser.ask('/sessions/x', { method: 'DELETE', headers: { 'x-csrf-token': csrfToken } })).status, 404, 'the control: with its own')
  t.equal((await browser.ask('/sessions')).status, 200, 'looking needs none')
  const key2 = { authorization: `Bearer ${key}` }
  t.equal((await browser.ask('/sessions/x', { method: 'DELETE', headers: key2 })).status, 404, 'nor does a key: no other site\'s page can send one')
  t.equal((await browser.ask('/sessions/x', { method: 'DELETE', headers: { 'x-csrf-token': csrfToken, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } })).body.code, 'EX10_ORIGIN_REFUSED', 'and a token does not make another site ours')
  await end()
})

t.test('a login ends: by logging out, with its key, when it is idle, when it is old', async t => {
  const { server, key, end } = await servePeople(t, { EX10_LOGIN_IDLE_TIMEOUT: '6', EX10_LOGIN_TIMEOUT: '14' })
  const isIn = async (browser: BrowserClient) => (await browser.ask('/me')).status === 200
  const startedAt = performance.now()
  const browsers = await Promise.all(['logs out', 'idle', 'used'].map(async () => {
    const browser = new BrowserClient(server)
    await browser.logIn(key)
    return browser
  }))
  const [leaver, idle, used] = browsers as [BrowserClient, BrowserClient, BrowserClient]
  const kept = leaver.cookies.get('ex10-login')!
  t.equal((await leaver.ask('/logout', { method: 'POST', headers: { 'x-csrf-token': (await leaver.ask('/me')).body.csrfToken } })).status, 200)
  t.equal(leaver.cookies.size, 0, 'its cookies are taken back')
  leaver.cookies.set('ex10-login', kept)
  t.notOk(await isIn(leaver), 'and are good for nothing')

  while (performance.now() - startedAt < 8000) {
    if (!await isIn(used)) break
    await delay(500)
  }
  t.ok(await isIn(used), 'used all the time, it holds')
  t.notOk(await isIn(idle), 'unused for as long as it may be, it does not')
  await eventually('the end of an old one, however much it was used', async () => !await isIn(used), 20_000)
  t.ok(performance.now() - startedAt >= 14_000, 'and not before its time')

  const last = new BrowserClient(server)
  await last.logIn(key)
  t.ok(await isIn(last))
  await keysCommand(server, 'revoke', (await keysCommand(server, 'list')).split('\n').find(line => line.includes('anna'))!.split(' ')[0]!)
  t.notOk(await isIn(last), 'a key that is revoked takes its logins with it')
  await end()
})

t.test('a login can be tied to its browser and its address', async t => {
  const { server, key, end } = await servePeople(t, { EX10_BIND_LOGIN: 'fingerprint,ip', EX10_TRUST_PROXY: '127.0.0.1' })
  for (const headers of [{ 'user-agent': 'Another browser' }, { 'x-forwarded-for': '203.0.113.9' }] as Record<string, string>[]) {
    const browser = new BrowserClient(server)
    await browser.logIn(key)
    t.equal((await browser.ask('/me')).status, 200, 'the control')
    const cookies = new Map(browser.cookies)
    t.equal((await browser.ask('/me', { headers })).status, 401, `not with ${Object.keys(headers).join()} of another`)
    for (const [name, value] of cookies) browser.cookies.set(name, value)
    t.equal((await browser.ask('/me')).status, 401, 'and then not any more at all')
  }
  await end()
})

t.test('what a page has of a login that is tied is tied, too', async t => {
  const { server, key, end } = await servePeople(t, { ...socketDisplay(t), EX10_BIND_LOGIN: 'fingerprint,ip', EX10_TRUST_PROXY: '127.0.0.1' })
  const session = await createSession(as(server, key))
  const browser = new BrowserClient(server)
  await browser.logIn(key)
  const own = { 'user-agent': 'A browser', 'accept-language': 'en' }
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const meta = (name: 'ticket' | 'token') => readMeta(session, name, { ...own, cookie, 'sec-fetch-site': 'same-origin' })
  const status = async (headers: Record<string, string>) => {
    const socket = new WebSocket(`${session.url.replace('http', 'ws')}socket?ticket=${await meta('ticket')}`, 'binary', { headers })
    const { promise, resolve } = Promise.withResolvers<number>()
    socket.on('error', () => {}).on('open', () => { resolve(101); socket.terminate() })
    socket.on('unexpected-response', (request, response) => { resolve(response.statusCode ?? 0); request.destroy() })
    return promise
  }
  const state = async (headers: Record<string, string>) => (await fetch(`${session.url}state?token=${await meta('token')}`, { headers })).status
  t.strictSame([await status(own), await state(own)], [101, 200], 'the control')
  for (const [what, other] of [['another browser', { ...own, 'user-agent': 'Another browser' }], ['another address', { ...own, 'x-forwarded-for': '203.0.113.9' }]] as const) {
    t.strictSame([await status(other), await state(other)], [403, 401], `not from ${what}`)
  }
  t.equal((await browser.ask('/me')).status, 200, 'the login holds')
  await endSession(as(server, key), session.id)
  await end()
})

t.test('who keeps a session by its page\'s button is not idle', async t => {
  const { server, key, end } = await servePeople(t, { EX10_LOGIN_IDLE_TIMEOUT: '6' })
  const session = await createSession(as(server, key))
  const [keeping, idle] = [new BrowserClient(server), new BrowserClient(server)]
  for (const browser of [keeping, idle]) await browser.logIn(key)
  const own = { 'user-agent': 'A browser', 'accept-language': 'en' }
  const cookie = [...keeping.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const token = await readMeta(session, 'token', { ...own, cookie, 'sec-fetch-site': 'same-origin' })
  for (let time = 0; time < 14; time++) {
    await delay(500)
    t.equal((await fetch(`${session.url}keep`, { method: 'POST', headers: { ...own, origin: 'null', 'content-type': 'text/plain' }, body: token })).status, 200)
  }
  t.equal((await keeping.ask('/me')).status, 200)
  t.equal((await idle.ask('/me')).status, 401, 'the control')
  await endSession(as(server, key), session.id)
  await end()
})

t.test('whatever a key is good for, who logs in with it sees who they are and logs out; one that only looks ends nobody\'s login', async t => {
  const { server, end } = await servePeople(t)
  for (const scope of ['push', 'create', 'view']) {
    const browser = new BrowserClient(server)
    await browser.logIn(await keysCommand(server, 'create', '--user', 'ben', '--scopes', scope))
    const { status, body } = await browser.ask('/me')
    t.match([status, body], [200, { user: 'ben', scopes: [scope] }])
    const headers = { 'x-csrf-token': body.csrfToken }
    t.equal((await browser.ask('/me/logins')).status, scope === 'view' ? 200 : 403, scope)
    t.equal((await browser.ask('/me/logins', { method: 'DELETE', headers })).status, scope === 'create' ? 200 : 403, scope)
    t.equal((await browser.ask('/logout', { method: 'POST', headers })).status, 200)
    t.equal((await browser.ask('/me')).status, 401)
  }
  await end()
})

t.test('over HTTPS, the cookies are Secure and of this host alone', async t => {
  const port = await freePort()
  const { server, key, end } = await servePeople(t, { EX10_PUBLIC_URL: 'https://ex10.example', EX10_PORT: String(port) })
  server.url = `http://127.0.0.1:${port}` // behind the proxy that the public address is of
  const { headers } = await new BrowserClient(server).logIn(key)
  t.match(headers.getSetCookie().find(line => line.startsWith('__Host-ex10-login=')), /; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  await end()
})
