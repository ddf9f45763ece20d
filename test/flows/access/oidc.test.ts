import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { BrowserClient } from '#support/access/browser-client.ts'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, logInAtProvider, logInThroughProvider, logOutAtProvider, PROGRAM, programToken, startProvider, type TestProvider } from '#support/access/oidc-provider.ts'
import { createSession, endSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'
import { openSharedSocket, socketDisplay } from '#support/display/socket-display.ts'
import { launchViewer } from '#support/display/viewer.ts'

const GROUPS = { anna: ['developers'], ada: ['developers', 'ex10-admins'], eve: [], [PROGRAM.id]: ['developers'] }

interface Scene { server: Server, admin: Server, provider: TestProvider, end: () => Promise<void> }

/** A server and the provider that its people log in with. */
async function serveWithProvider (t: Test, settings: Record<string, string> = {}): Promise<Scene> {
  const port = await freePort()
  const publicUrl = `http://127.0.0.1:${port}`
  const provider = await startProvider(t, publicUrl, GROUPS)
  const secretFile = `${t.testdir({})}/client-secret`
  writeFileSync(secretFile, `${CLIENT_SECRET}\n`, { mode: 0o600 })
  const server = await serve(t, {
    ...lightDisplay(),
    EX10_AUTH: 'oidc',
    EX10_PORT: String(port),
    EX10_PUBLIC_URL: publicUrl,
    EX10_OIDC_ISSUER: provider.issuer,
    EX10_OIDC_CLIENT_ID: CLIENT_ID,
    EX10_OIDC_CLIENT_SECRET_FILE: secretFile,
    EX10_OIDC_ROLE_CLAIM: 'groups',
    EX10_OIDC_ADMIN_ROLE: 'ex10-admins',
    EX10_OIDC_AUDIENCE: AUDIENCE,
    ...settings
  })
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ops', '--role', 'admin'))
  return { server, admin, provider, end: () => assertEndsClean(t, admin) }
}

t.test('a person logs in with the provider; from then on a cookie speaks for them, as after a login with a key', async t => {
  const { server, end } = await serveWithProvider(t)
  const browser = new BrowserClient(server)
  const page = await browser.ask('/session/' + 'a'.repeat(32) + '/index.html', { headers: { 'sec-fetch-dest': 'document' } })
  t.match([page.status, page.headers.get('location')], [302, /^\/\?next=/], 'who opens a page without a login is asked to log in')
  t.match((await browser.ask('/openapi.json')).body.paths, { '/login/oidc': { get: {} }, '/login/oidc/callback': { get: {} }, '/login/oidc/backchannel': { post: {} } })
  t.match((await browser.ask('/')).body, '<button>Log in with your provider</button>')
  const callback = await logInAtProvider(browser, 'anna', '/login/oidc?next=/session/x/index.html')
  t.match(callback.href, server.url)
  t.equal((await browser.ask('/me')).status, 401, 'not yet')
  const back = await browser.ask(callback.href, { headers: { 'sec-fetch-site': 'cross-site' } })
  t.match([back.status, back.headers.get('location')], [302, '/session/x/index.html'], 'they come to the page that they wanted')
  t.match(back.headers.getSetCookie().find(line => line.startsWith('ex10-login=')), /; Path=\/; HttpOnly; SameSite=Lax$/)
  const me = (await browser.ask('/me')).body
  t.match(me, { user: 'anna', role: 'user', scopes: ['create', 'view', 'push'], csrfToken: String })
  t.equal((await browser.ask('/sessions/x', { method: 'DELETE' })).body.code, 'EX10_CSRF')
  t.equal((await browser.ask('/sessions/x', { method: 'DELETE', headers: { 'x-csrf-token': me.csrfToken } })).status, 404, 'the control')
  t.notMatch(server.output(), callback.searchParams.get('code')!, 'no code is logged')
  await end()
})

t.test('what comes back is taken once, from the browser that began, with what it began with', async t => {
  const { server, provider, end } = await serveWithProvider(t)
  const browser = new BrowserClient(server)
  const refused = async (from: BrowserClient, url: URL, why: string) => {
    t.match(await from.ask(url.href), { status: 403, body: { code: 'EX10_LOGIN_REFUSED' } }, `not ${why}`)
    t.equal((await from.ask('/me')).status, 401)
  }
  const change = (url: URL, name: string, value: string) => {
    const changed = new URL(url)
    changed.searchParams.set(name, value)
    return changed
  }
  const callback = await logInAtProvider(browser, 'anna')
  await refused(browser, change(callback, 'state', 'x'.repeat(43)), 'with another state')
  await refused(new BrowserClient(server), callback, 'in a browser that began nothing')
  const other = new BrowserClient(server)
  const ofOther = await logInAtProvider(other, 'eve')
  await refused(other, callback, 'in a browser that began another login')
  await refused(browser, change(callback, 'code', ofOther.searchParams.get('code')!), 'with the code of another login: it has another verifier and nonce')

  const begin = new URL((await browser.ask('/login/oidc')).headers.get('location')!)
  await refused(browser, await logInAtProvider(browser, 'anna', change(begin, 'nonce', 'x'.repeat(43)).href), 'with an ID token that has another nonce')

  const first = new URL((await browser.ask('/login/oidc')).headers.get('location')!)
  const again = await logInAtProvider(browser, 'anna', first.href)
  const begun = new Map(browser.cookies)
  t.equal((await browser.ask(again.href)).status, 302, 'the control')
  t.equal((await browser.ask('/me')).body.user, 'anna')
  const replayed = new BrowserClient(server)
  for (const [url, why] of [[again, 'a second time'], [await logInAtProvider(browser, 'anna', first.href), 'with a new code for an attempt that is over']] as const) {
    for (const [name, value] of begun) replayed.cookies.set(name, value)
    await refused(replayed, url, why)
  }
  const forger = new BrowserClient(server)
  const ofForger = await logInAtProvider(forger, 'anna')
  forger.cookies.set('ex10-oidc', forger.cookies.get('ex10-oidc')!.replace('next%3D', 'next%3Dhttps%253A%252F%252Fevil.example'))
  await refused(forger, ofForger, 'with a cookie that was changed')
  t.equal((await browser.ask('/login/oidc/callback?error=access_denied')).status, 400, 'nor with no state')

  const { searchParams } = new URL((await browser.ask('/login/oidc')).headers.get('location')!)
  const denied = `/login/oidc/callback?error=access_denied&iss=${encodeURIComponent(provider.issuer)}&state=${searchParams.get('state')}`
  const shown = await browser.ask(denied, { headers: { 'sec-fetch-dest': 'document' } })
  t.match([shown.status, shown.body], [403, /<p id="refusal" role="alert">The login cannot be finished/], 'a person reads that on a page')
  await eventually('a line in the log, where the operator reads why', () => /"reason":"access_denied".*"msg":"provider login failed"/.test(server.output()))
  await eventually('an end of the patience', async () => (await browser.ask(denied)).status === 429)
  await end()
})

t.test('however often a site makes a browser come back from nowhere, people at that address log in', async t => {
  const { server, end } = await serveWithProvider(t, { EX10_FAILURE_RATE: '2' })
  const statuses = []
  for (let i = 0; i < 30; i++) statuses.push((await fetch(`${server.url}/login/oidc/callback?state=x&code=x`)).status)
  t.strictSame(statuses, [403, 403, ...Array(28).fill(429)])
  const browser = new BrowserClient(server)
  t.equal((await logInThroughProvider(browser, 'anna')).status, 302)
  t.equal((await browser.ask('/me')).body.user, 'anna')
  await end()
})

t.test('a login leads to a page of this server, and to none elsewhere', async t => {
  const { server, end } = await serveWithProvider(t)
  const browser = new BrowserClient(server)
  for (const next of ['https://evil.example', '//evil.example', '/\\evil.example', '\\/evil.example', '/\t/evil.example', '/\n/evil.example', 'javascript:alert(1)', 'evil', '', '/ü', '/' + 'a'.repeat(600)]) {
    t.match(await browser.ask(`/login/oidc?next=${encodeURIComponent(next)}`), { status: 400, body: { code: 'EX10_BAD_REQUEST' } }, JSON.stringify(next))
  }
  t.equal((await browser.ask('/login/oidc?next=/session/x%3Fa=b')).status, 302, 'the control')
  await end()
})

t.test('the provider\'s claim says who may use the server, and who is an admin', async t => {
  const { server, end } = await serveWithProvider(t, { EX10_OIDC_USER_ROLE: 'developers', EX10_OIDC_USER_CLAIM: 'preferred_username' })
  const people = { anna: new BrowserClient(server), ada: new BrowserClient(server), eve: new BrowserClient(server) }
  for (const name of ['anna', 'ada'] as const) t.equal((await logInThroughProvider(people[name], name)).status, 302)
  t.match((await people.anna.ask('/me')).body, { user: 'anna-preferred', role: 'user' })
  t.match((await people.ada.ask('/me')).body, { user: 'ada-preferred', role: 'admin' })
  t.equal((await people.anna.ask('/admin/audit')).status, 403)
  t.equal((await people.ada.ask('/admin/audit')).status, 200)
  t.match(await logInThroughProvider(people.eve, 'eve'), { status: 403, body: /The provider knows you, but you may not use this server/ })
  t.equal((await people.eve.ask('/me')).status, 401)
  await end()
})

t.test('who logs out here is shown the way to log out at the provider, too; who logs out there is logged out here', async t => {
  const { server, admin, provider, end } = await serveWithProvider(t)
  const [laptop, phone, other] = [new BrowserClient(server), new BrowserClient(server), new BrowserClient(server)]
  for (const browser of [laptop, phone]) await logInThroughProvider(browser, 'anna')
  await logInThroughProvider(other, 'eve')
  const statusOf = async (browser: BrowserClient) => (await browser.ask('/me')).status
  const logOut = async (browser: BrowserClient) => browser.ask('/logout', { method: 'POST', headers: { 'x-csrf-token': (await browser.ask('/me')).body.csrfToken } })

  const kept = new Map(phone.cookies)
  const { status, body } = await logOut(phone)
  t.match([status, body.url], [200, `${provider.issuer}/session/end?`])
  for (const [name, value] of kept) phone.cookies.set(name, value)
  t.equal(await statusOf(phone), 401, 'the login has ended')
  t.equal(await statusOf(laptop), 200, 'and no other')
  t.equal((await logInThroughProvider(phone, 'nobody is asked')).status, 302)
  const { user, csrfToken } = (await phone.ask('/me')).body
  t.equal(user, 'anna', 'at the provider they are still logged in')
  await phone.ask('/sessions', { method: 'POST', body: {}, headers: { 'x-csrf-token': csrfToken } })
  const { sessions: [session] } = (await phone.ask('/sessions')).body
  const [onPhone, onLaptop] = [phone, laptop].map(browser => browser.ask(`/sessions/${session.id}/events`).then(() => 'closed'))
  await eventually('both read its events', async () => (await ask(admin, '/admin/sessions')).body.sessions[0].channels.length === 2)
  t.equal(await logOutAtProvider(phone, body.url), `${server.url}/`, 'until they follow it; then they are sent back')
  t.strictSame(provider.backchannel, ['success'], 'the provider has told the server')
  t.equal(await statusOf(phone), 401, 'which has ended the new login')
  t.equal(await Promise.race([onPhone, delay(5000)]), 'closed', 'and closed what it had open')
  t.equal(await Promise.race([onLaptop, 'open']), 'open')
  t.equal(await statusOf(laptop), 200, 'but no other session of that person\'s')
  t.equal(await statusOf(other), 200, 'and nobody else\'s')
  const withKey = new BrowserClient(server)
  await withKey.logIn(await keysCommand(server, 'create', '--user', 'anna'))
  t.notOk('url' in (await logOut(withKey)).body, 'who has logged in with a key is nobody that the provider knows')
  await end()
})

t.test('of what says that somebody has logged out, only the provider\'s own word is taken, once', async t => {
  const { server, provider, end } = await serveWithProvider(t)
  const [anna, eve] = [new BrowserClient(server), new BrowserClient(server)]
  await logInThroughProvider(anna, 'anna')
  await logInThroughProvider(eve, 'eve')
  const statusOf = async (browser: BrowserClient) => (await browser.ask('/me')).status
  const tell = (token: string) => ask(server, '/login/oidc/backchannel', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: String(new URLSearchParams({ logout_token: token })) })
  const now = Math.floor(Date.now() / 1000)
  const logout = { aud: CLIENT_ID, sub: 'anna', jti: 'one', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }
  const stranger = await generateKeyPair('RS256')
  const wrong: [string, string][] = [
    ['of another issuer', await provider.sign({ ...logout, iss: 'https://evil.example' })],
    ['for another client', await provider.sign({ ...logout, aud: 'other' })],
    ['expired', await provider.sign({ ...logout, exp: now - 60 })],
    ['old', await provider.sign({ ...logout, iat: now - 600 })],
    ['of no time', await provider.sign({ ...logout, iat: undefined })],
    ['that is an ID token', await provider.sign({ ...logout, nonce: 'n' })],
    ['without an event', await provider.sign({ ...logout, events: undefined })],
    ['of nobody', await provider.sign({ ...logout, sub: undefined })],
    ['without an id', await provider.sign({ ...logout, jti: undefined })],
    ['of somebody else\'s making', await new SignJWT({ iss: provider.issuer, iat: now, exp: now + 60, ...logout }).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(stranger.privateKey)],
    ['without a signature', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await provider.sign(logout)).split('.')[1]}.`],
    ['that is none', 'hello']
  ]
  for (const [what, token] of wrong) t.match(await tell(token), { status: 400, body: { code: 'EX10_BAD_LOGOUT_TOKEN' } }, `not one ${what}`)
  t.equal((await fetch(`${server.url}/login/oidc/backchannel`, { method: 'POST' })).status, 400)
  t.match(await tell(await provider.sign({ ...logout, jti: 'two', sid: 'of another session' })), { status: 200 })
  t.equal(await statusOf(anna), 200, 'all the while, nobody was logged out')

  const token = await provider.sign(logout)
  t.match(await tell(token), { status: 200 })
  t.equal(await statusOf(anna), 401, 'the control: a good one ends the logins of that person')
  t.equal(await statusOf(eve), 200, 'and nobody else\'s')
  await logInThroughProvider(anna, 'anna')
  t.match(await tell(token), { status: 400, body: { code: 'EX10_BAD_LOGOUT_TOKEN' } })
  t.equal(await statusOf(anna), 200, 'the same one again ends nothing')
  await end()
})

t.test('a link ends with what its maker was let in by: a token, a session at the provider, or all of the logins that an admin ends', async t => {
  const { server, admin, provider, end } = await serveWithProvider(t, socketDisplay(t))
  const anna = new BrowserClient(server)
  const { id, url } = await createSession(as(server, await keysCommand(server, 'create', '--user', 'anna')))
  const key = await keysCommand(server, 'create', '--user', 'anna')
  const shareBy = async (headers: Record<string, string>, expiresIn = 3600) => {
    const answer = await anna.ask(`/sessions/${id}/shares`, { method: 'POST', body: { mode: 'control', expiresIn }, headers })
    t.equal(answer.status, 201)
    return answer.body as { url: string, expiresAt: string }
  }
  const byLogin = async () => {
    await logInThroughProvider(anna, 'anna')
    return shareBy({ 'x-csrf-token': (await anna.ask('/me')).body.csrfToken })
  }
  const opens = async ({ url }: { url: string }) => (await fetch(url)).status === 200
  const exp = Math.floor(Date.now() / 1000) + 600
  const token = await provider.sign({ sub: 'anna', aud: AUDIENCE, exp })

  const byToken = await shareBy({ authorization: `Bearer ${token}` }, 604_800)
  t.equal(Date.parse(byToken.expiresAt), exp * 1000, 'with a token that has ten minutes to live, no link for a week is made')
  t.ok(Date.parse((await shareBy({ authorization: `Bearer ${token}` }, 10)).expiresAt) < exp * 1000, 'but a shorter one is')
  const byKey = await shareBy({ authorization: `Bearer ${key}` })

  const tell = async (claims: object) => {
    const token = await provider.sign({ aud: CLIENT_ID, events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...claims })
    t.equal((await fetch(`${server.url}/login/oidc/backchannel`, { method: 'POST', body: new URLSearchParams({ logout_token: token }) })).status, 200)
  }
  const given = await byLogin()
  const looking = await openSharedSocket(t, { id, url } as CreatedSession, given.url)
  const closed = once(looking, 'close')
  await tell({ jti: 'one', sub: 'ben' })
  t.ok(await opens(given), 'somebody else has logged out')
  await tell({ jti: 'two', sub: 'anna' })
  t.notOk(await opens(given), 'the provider says that anna has logged out: her links have ended')
  t.match((await closed).join(' '), '4403 the link was revoked', 'and who looks by them is sent away')
  t.match((await ask(admin, '/admin/audit-log')).body.entries.filter(({ action, user }: { action: string, user: string }) => action === 'logout' && user === 'provider').map(({ target, details }: { target: string, details: object }) => [target, details]), [['anna', { logins: 1, links: 1 }], [undefined, { logins: 0, links: 0 }]], 'as the audit log says, the newest first')

  const again = await byLogin()
  t.ok(await opens(again), 'the control')
  t.equal((await anna.ask('/logout', { method: 'POST', headers: { 'x-csrf-token': (await anna.ask('/me')).body.csrfToken } })).status, 200)
  t.strictSame(await Promise.all([again, byToken].map(opens)), [true, true], 'who only logs out here leaves their links: others look by them')
  t.equal((await ask(admin, '/admin/users/anna/logins', { method: 'DELETE' })).status, 200)
  t.strictSame(await Promise.all([again, byToken].map(opens)), [false, false], 'an admin who ends her logins ends her links, though the login itself is gone')
  t.ok(await opens(byKey), 'one made with a key ends with its key')
  t.equal((await endSession(admin, id)).status, 200)
  await end()
})

t.test('a program shows the provider\'s access token; one that is not good opens nothing', async t => {
  const { server, provider, end } = await serveWithProvider(t)
  const showing = (token: string) => ask(as(server, token), '/me')
  t.match(await showing(await programToken(provider)), { status: 200, body: { user: PROGRAM.id, role: 'user', scopes: ['create', 'view', 'push'] } }, 'one that the provider has issued')
  const claims = { sub: 'ada', aud: AUDIENCE, groups: ['ex10-admins'] }
  t.match(await showing(await provider.sign(claims)), { status: 200, body: { user: 'ada', role: 'admin' } }, 'the control: so are those below, but for one thing')

  const now = Math.floor(Date.now() / 1000)
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const good = await provider.sign(claims)
  const [head = '', payload = '', signature = ''] = good.split('.')
  const stranger = await generateKeyPair('RS256')
  const complete = { iss: provider.issuer, iat: now, exp: now + 60, ...claims }
  const wrong: [string, string][] = [
    ['for another audience', await provider.sign({ ...claims, aud: 'urn:other' })],
    ['for the client: an ID token', await provider.sign({ ...claims, aud: CLIENT_ID })],
    ['for nobody', await provider.sign({ ...claims, aud: undefined })],
    ['of another issuer', await provider.sign({ ...claims, iss: 'https://evil.example' })],
    ['expired', await provider.sign({ ...claims, exp: now - 60 })],
    ['good for ever', await provider.sign({ ...claims, exp: undefined })],
    ['not good yet', await provider.sign({ ...claims, nbf: now + 600 })],
    ['not signed', `${encode({ alg: 'none' })}.${payload}.`],
    ['not signed, with a signature', `${encode({ alg: 'none', kid: 'one' })}.${payload}.${signature}`],
    ['signed with the public key as if it were a secret', await new SignJWT(complete).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(Buffer.from(provider.publicKey))],
    ['signed with an unknown key', await new SignJWT(complete).setProtectedHeader({ alg: 'RS256', kid: 'two' }).sign(stranger.privateKey)],
    ['signed with another key of that name', await new SignJWT(complete).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(stranger.privateKey)],
    ['that brings its own key', await new SignJWT(complete).setProtectedHeader({ alg: 'RS256', jwk: await exportJWK(stranger.publicKey) }).sign(stranger.privateKey)],
    ['changed', `${head}.${encode({ ...complete, sub: 'root' })}.${signature}`],
    ['with its end cut off', good.slice(0, -10)],
    ['with a claim to be critical', await provider.sign(claims, { crit: ['b64'], b64: true, kid: 'two' })],
    ['that is none', 'a.b.c'], ['that is nothing of the kind', 'hello'], ['like an API key', 'ex10_' + 'A'.repeat(43)], ['long', 'a'.repeat(9000)]
  ]
  t.ok(wrong.length < 30, 'fewer than an address may show in a minute')
  for (const [what, token] of wrong) t.match(await showing(token), { status: 401, body: { code: 'EX10_UNKNOWN_KEY' } }, `not one ${what}`)
  t.match(await showing(await provider.sign({ ...claims, sub: 'an na' })), { status: 403, body: { code: 'EX10_NOT_A_USER' } })
  const key = await keysCommand(server, 'create', '--user', 'ci', '--scopes', 'view')
  t.match(await showing(key), { status: 200, body: { user: 'ci', scopes: ['view'] } }, 'an API key is as good as ever')
  await keysCommand(server, 'revoke', (await keysCommand(server, 'list')).split('\n').find(line => / ci /.test(line))!.split(' ')[0]!)
  t.equal((await showing(key)).status, 401, 'until it is revoked')
  t.notMatch(server.output(), good, 'no token is logged')

  while ((await showing('a.b.c')).status === 401);
  t.match(await showing('a.b.c'), { status: 429 }, 'wrong tokens count like wrong keys')
  t.equal((await showing(good)).status, 200, 'a good one is taken all the same')
  await end()
})

t.test('without a provider that answers, the server starts and takes API keys; once it answers, people log in', async t => {
  const gone = await startProvider(t, 'http://127.0.0.1:1')
  await gone.close()
  const { server, provider, end } = await serveWithProvider(t, { EX10_OIDC_ISSUER: gone.issuer })
  const browser = new BrowserClient(server)
  t.match(await browser.ask('/login/oidc'), { status: 503, body: { code: 'EX10_PROVIDER_UNAVAILABLE' } })
  t.equal((await browser.ask('/me', { headers: { authorization: `Bearer ${await provider.sign({ sub: 'anna', aud: AUDIENCE })}` } })).status, 503, 'whether a token is good cannot be said')
  t.equal((await browser.ask('/me', { headers: { authorization: `Bearer ${await keysCommand(server, 'create', '--user', 'ci')}` } })).status, 200)
  const back = await startProvider(t, server.url, {}, Number(new URL(gone.issuer).port))
  t.equal(back.issuer, gone.issuer)
  await eventually('a login', async () => (await browser.ask('/login/oidc')).status === 302, 20_000)
  t.equal((await logInThroughProvider(browser, 'anna')).status, 302)
  const headers = { authorization: `Bearer ${await back.sign({ sub: 'anna', aud: AUDIENCE })}` }
  await back.close()
  t.equal((await browser.ask('/me', { headers })).status, 503, 'without its keys, whether a token is good cannot be said either')
  t.equal((await browser.ask('/me')).body.user, 'anna', 'who is logged in stays so')
  await end()
})

t.test('a provider that changes its keys goes on: what it signs with a new one is good, and what with an old one is not', async t => {
  const { server, provider, end } = await serveWithProvider(t, { EX10_FAILURE_RATE: '1000' })
  const status = async (token: string) => (await fetch(`${server.url}/me`, { headers: { authorization: `Bearer ${token}` } })).status
  const claims = { sub: 'anna', aud: AUDIENCE, groups: [] }
  const old = await provider.sign(claims)
  t.equal(await status(old), 200, 'the control')
  await provider.close()
  const renewed = await startProvider(t, server.url, GROUPS, Number(new URL(provider.issuer).port), 'two')
  const fresh = await renewed.sign(claims)
  await eventually('the new key', async () => await status(fresh) === 200)
  t.equal(await status(old), 401, 'the keys of before are gone with that')
  const browser = new BrowserClient(server)
  t.equal((await logInThroughProvider(browser, 'anna')).status, 302, 'people log in')
  t.equal((await browser.ask('/me')).body.user, 'anna')
  await end()
})

t.test('a person in a browser logs in on the way to a session, and logs out of both the server and the provider', async t => {
  const { server, end } = await serveWithProvider(t, socketDisplay(t)) // a display page that finds no display loads itself anew, whatever is opened meanwhile
  const anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const { id, url } = await createSession(anna)
  const page = await (await launchViewer(t)).newPage()
  await page.goto(url)
  t.equal(page.url(), `${server.url}/?next=${encodeURIComponent(new URL(url).pathname)}`)
  await page.getByRole('button', { name: 'Log in with your provider' }).click()
  await page.locator('input[name=login]').fill('anna')
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.waitForURL(`${server.url}/session/${id}/index.html`)
  await page.goto(server.url)
  await page.getByText('You are anna').waitFor()
  await page.locator('#sessions a').first().waitFor() // they are listed later
  t.equal(await page.locator('#sessions a').count(), 1)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Yes, sign me out' }).click()
  await page.getByRole('button', { name: 'Log in with your provider' }).waitFor()
  t.equal(page.url(), `${server.url}/`)
  await page.goto(`${server.url}/login/oidc/callback?state=old&code=old`)
  t.match(await page.locator('#refusal').textContent(), /The login cannot be finished/)
  t.equal((await endSession(anna, id)).status, 200)
  await end()
})
