import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { BrowserClient } from '../support/browser-client.ts'
import { assertEndsClean, serve } from '../support/creation.ts'
import { freePort } from '../support/free-port.ts'
import { as, keysCommand } from '../support/keys.ts'
import { lightDisplay } from '../support/light-display.ts'
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, logInAtProvider, logInThroughProvider, startProvider, type TestProvider } from '../support/oidc-provider.ts'
import { type Server } from '../support/server.ts'

const GROUPS = { anna: ['developers'], ada: ['developers', 'ex10-admins'], eve: [] }

interface Scene { server: Server, provider: TestProvider, end: () => Promise<void> }

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
  return { server, provider, end: () => assertEndsClean(t, admin) }
}

t.test('a person logs in with the provider; from then on a cookie speaks for them, as after a login with a key', async t => {
  const { server, end } = await serveWithProvider(t)
  const browser = new BrowserClient(server)
  const page = await browser.ask('/session/' + 'a'.repeat(32) + '/index.html', { headers: { 'sec-fetch-dest': 'document' } })
  t.match([page.status, page.headers.get('location')], [302, /^\/\?next=/], 'who opens a page without a login is asked to log in')
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
  const { server, end } = await serveWithProvider(t)
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

  const again = await logInAtProvider(browser, 'anna')
  const begun = new Map(browser.cookies)
  t.equal((await browser.ask(again.href)).status, 302, 'the control')
  t.equal((await browser.ask('/me')).body.user, 'anna')
  const replayed = new BrowserClient(server)
  for (const [name, value] of begun) replayed.cookies.set(name, value)
  await refused(replayed, again, 'a second time')
  const forged = new BrowserClient(server)
  forged.cookies.set('ex10-oidc', begun.get('ex10-oidc')!.replace(/nonce%3D.{10}/, 'nonce%3Daaaaaaaaaa'))
  await refused(forged, again, 'with a cookie that was changed')
  t.equal((await browser.ask('/login/oidc/callback?error=access_denied')).status, 400, 'nor with no state')
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
  const people = Object.fromEntries(Object.keys(GROUPS).map(name => [name, new BrowserClient(server)])) as Record<keyof typeof GROUPS, BrowserClient>
  for (const name of ['anna', 'ada'] as const) t.equal((await logInThroughProvider(people[name], name)).status, 302)
  t.match((await people.anna.ask('/me')).body, { user: 'anna-preferred', role: 'user' })
  t.match((await people.ada.ask('/me')).body, { user: 'ada-preferred', role: 'admin' })
  t.equal((await people.anna.ask('/admin/audit')).status, 403)
  t.equal((await people.ada.ask('/admin/audit')).status, 200)
  t.match(await logInThroughProvider(people.eve, 'eve'), { status: 403, body: { code: 'EX10_NOT_A_USER' } })
  t.equal((await people.eve.ask('/me')).status, 401)
  await end()
})
