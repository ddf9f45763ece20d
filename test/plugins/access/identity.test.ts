import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Config } from '#config.ts'
import { SCOPES, type Role, type Scope } from '#domain/principal.ts'
import access from '#plugins/access/index.ts'
import metricsToken from '#plugins/access/metrics-token.ts'
import origins from '#plugins/http/origins.ts'
import publicAddress from '#plugins/http/public-address.ts'
import rateLimits from '#plugins/http/rate-limits.ts'
import transport from '#plugins/http/transport.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import { bareApp } from '#support/bare-app.ts'

const LISTED = 'https://editor.example'
const WRONG_KEY = `ex10_${'A'.repeat(43)}`

/** All of `access` on a data folder of its own; functions stand in for `instance`, `registry`, which has no sessions, and `audit`. */
async function withIdentity (t: Test, settings: Partial<Config> = {}) {
  const app = await bareApp(t, [publicAddress, origins, rateLimits, transport, ...access], {
    settings: { auth: 'keys', origins: [LISTED], ...settings },
    standIns: { instance: { folder: dataFolderAt(t.testdir()), stores: memoryStores() }, registry: { live: () => [] }, audit: { own () {} } }
  })
  app.get('/everybody', { config: { scope: 'everybody' } }, async ({ principal }) => ({ user: principal?.user ?? null }))
  app.get('/view', { config: { scope: 'view' } }, async ({ principal }) => ({ user: principal.user }))
  app.get('/any', { config: { scope: 'any' } }, async (request, reply) => ({ user: request.principal.user, csrfToken: request.isLoggedIn ? app.logins.csrfToken(request, reply) : undefined }))
  app.post('/push', { config: { scope: 'push' } }, async ({ principal }) => ({ user: principal.user }))
  app.get('/admin', { config: { scope: 'admin' } }, async () => ({}))
  app.post('/log-in', { config: { scope: 'any' } }, async ({ principal, credential }, reply) => {
    await app.logins.open(reply.request, reply, principal, (await credential.opener())!)
    return {}
  })
  const ask = async (method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}) => {
    const answer = await app.inject({ method, url, headers: { host: 'localhost', ...headers } })
    return { status: answer.statusCode, body: answer.body === '' ? {} : answer.json(), headers: answer.headers, cookies: answer.cookies }
  }
  const newKey = async (user: string, role: Role = 'user', scopes: readonly Scope[] = SCOPES) => app.keys.create({ user, role, scopes: [...scopes] })
  const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
  /** Logs in with a new key of this user; resolves with the headers that their browser sends, and with the key's id. */
  async function logIn (user: string) {
    const { secret, key } = await newKey(user)
    const { cookies } = await ask('POST', '/log-in', bearer(secret))
    return { browser: { cookie: cookies.filter(({ value }) => value !== '').map(({ name, value }) => `${name}=${value}`).join('; ') }, key }
  }
  return { app, ask, newKey, bearer, logIn }
}

t.test('with EX10_AUTH=none everybody is the local user, who may do everything', async t => {
  const { ask } = await withIdentity(t, { auth: 'none' })
  t.match(await ask('POST', '/push'), { status: 200, body: { user: 'local' } })
  t.match(await ask('GET', '/admin'), { status: 200 })
})

t.test('without a credential only the routes for everybody answer; a person is led to the page to log in', async t => {
  const { ask } = await withIdentity(t)
  t.match(await ask('GET', '/view'), { status: 401, body: { code: 'EX10_UNAUTHENTICATED' }, headers: { 'www-authenticate': /^Bearer/ } })
  t.match(await ask('GET', '/everybody'), { status: 200, body: { user: null } })
  t.match(await ask('GET', '/nothing'), { status: 404 }, 'an unknown route answers the same as ever')
  t.match(await ask('GET', '/view?a=1', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html' }), { status: 302, headers: { location: '/?next=%2Fview%3Fa%3D1' } })
})

t.test('a key opens what its scopes name, and nothing once it is revoked', async t => {
  const { app, ask, newKey, bearer } = await withIdentity(t)
  const { secret, key } = await newKey('anna', 'user', ['view'])
  t.match(await ask('GET', '/view', bearer(secret)), { status: 200, body: { user: 'anna' } })
  t.match(await ask('POST', '/push', bearer(secret)), { status: 403, body: { code: 'EX10_FORBIDDEN', details: { scope: 'push' } } })
  t.match(await ask('GET', '/any', bearer(secret)), { status: 200 }, 'a route for any scope')
  await app.keys.revoke(key.id)
  t.match(await ask('GET', '/view', bearer(secret)), { status: 401, body: { code: 'EX10_UNKNOWN_KEY' } })
})

t.test('a key that is revoked while a request is on its way opens nothing', async t => {
  const { app, ask, newKey, bearer } = await withIdentity(t)
  const { secret, key } = await newKey('anna')
  app.post('/slow', { config: { scope: 'view' }, preValidation: async () => { await app.keys.revoke(key.id) } }, async () => ({}))
  t.match(await ask('POST', '/slow', bearer(secret)), { status: 401, body: { code: 'EX10_UNAUTHENTICATED' } })
})

t.test('administration takes both: an admin, and a key that is good for it', async t => {
  const { ask, newKey, bearer } = await withIdentity(t)
  const status = async (role: Role, scopes: readonly Scope[]) => (await ask('GET', '/admin', bearer((await newKey('ada', role, scopes)).secret))).status
  t.strictSame([await status('admin', SCOPES), await status('admin', ['view']), await status('user', SCOPES)], [200, 403, 403])
})

t.test('the token of the metrics opens their route and no other, also where an admin\'s key does', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ex10-token-')) // the plugins' own data folder is the test's
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'token')
  writeFileSync(file, 'f00dface'.repeat(4) + '\n', { mode: 0o600 })
  const { app, ask, bearer, newKey } = await withIdentity(t, { metricsTokenFile: file, failureRate: 1 })
  app.get('/metrics', { config: { scope: 'admin', takesMetricsToken: true } }, async ({ principal }) => ({ user: principal?.user ?? null }))
  const token = bearer('f00dface'.repeat(4))
  t.match(await ask('GET', '/metrics', token), { status: 200, body: { user: null } })
  t.match(await ask('GET', '/metrics', bearer((await newKey('ada', 'admin')).secret)), { status: 200, body: { user: 'ada' } })
  t.match(await ask('GET', '/metrics', bearer((await newKey('anna')).secret)), { status: 403 })
  t.match(await ask('GET', '/metrics'), { status: 401 })
  t.match(await ask('GET', '/admin', token), { status: 401, body: { code: 'EX10_UNKNOWN_KEY' } })
  t.match(await ask('GET', '/metrics', bearer('f00dface'.repeat(3))), { status: 429 }, 'guesses count as those of keys do')
  t.match(await ask('GET', '/metrics', token), { status: 200 })
})

t.test('a token of the metrics that others can read, or guess, stops the start', async t => {
  const folder = t.testdir({ open: 'f00dface'.repeat(4), short: 'f00dface', two: 'f00dface f00dface' })
  for (const [name, mode, why] of [['open', 0o644, /users other than root/], ['short', 0o600, /at least 16/], ['two', 0o600, /no space/], ['open', 0o600, null]] as const) {
    chmodSync(`${folder}/${name}`, mode)
    const start = bareApp(t, [metricsToken], { settings: { metricsTokenFile: `${folder}/${name}` } })
    if (why) await t.rejects(start, { name: 'StartRefused', message: why })
    else await t.resolves(start)
  }
})

t.test('a wrong key is refused as such, and guessing is stopped', async t => {
  const { ask, bearer } = await withIdentity(t, { failureRate: 2 })
  const codes = []
  for (const secret of [WRONG_KEY, 'x', WRONG_KEY]) codes.push((await ask('GET', '/view', bearer(secret))).body.code)
  t.strictSame(codes, ['EX10_UNKNOWN_KEY', 'EX10_UNKNOWN_KEY', 'EX10_TOO_MANY_REQUESTS'])
})

t.test('a browser that is logged in reads with its cookie, and changes something only with its page\'s token', async t => {
  const { ask, logIn } = await withIdentity(t)
  const { browser } = await logIn('anna')
  const { browser: another } = await logIn('ben')
  const page = await ask('GET', '/any', browser)
  t.equal(page.body.user, 'anna')
  const csrf = page.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  const withToken = { cookie: `${browser.cookie}; ${csrf}`, 'x-csrf-token': page.body.csrfToken }
  t.match(await ask('POST', '/push', { cookie: withToken.cookie }), { status: 403, body: { code: 'EX10_CSRF' } })
  t.match(await ask('POST', '/push', withToken), { status: 200, body: { user: 'anna' } })
  t.match(await ask('POST', '/push', { ...withToken, cookie: `${another.cookie}; ${csrf}` }), { status: 403, body: { code: 'EX10_CSRF' } }, 'a token of one login is no good in another')
})

t.test('a login ends with the key that opened it, and a cookie that was changed is none', async t => {
  const { app, ask, logIn } = await withIdentity(t)
  const { browser, key } = await logIn('anna')
  t.match(await ask('GET', '/view', browser), { status: 200 })
  t.match(await ask('GET', '/view', { cookie: browser.cookie.replace(/=./, '=x') }), { status: 401 })
  await app.keys.revoke(key.id)
  t.match(await ask('GET', '/view', browser), { status: 401, body: { code: 'EX10_UNAUTHENTICATED' } })
})

t.test('a key that another machine sends over plain http is refused, right or wrong, unless the operator allows it', async t => {
  const far = '203.0.113.9'
  for (const [settings, remoteAddress, headers, status] of [
    [{}, far, {}, 403],
    [{}, '127.0.0.1', {}, 200],
    [{}, far, { 'x-forwarded-proto': 'https' }, 403],
    [{ trustProxy: [far] }, far, { 'x-forwarded-proto': 'https' }, 200],
    [{ trustProxy: [far] }, far, { 'x-forwarded-proto': 'http', 'x-forwarded-for': '203.0.113.10' }, 403],
    [{ trustProxy: ['127.0.0.1'] }, '127.0.0.1', { 'x-forwarded-for': far }, 403],
    [{ allowInsecure: true }, far, {}, 200]
  ] as const) {
    const { app, newKey, bearer } = await withIdentity(t, settings as Partial<Config>)
    const { secret } = await newKey('anna')
    const ask = (secret: string) => app.inject({ url: '/view', remoteAddress, headers: { host: 'localhost', ...bearer(secret), ...headers } })
    const answer = await ask(secret)
    t.equal(answer.statusCode, status, JSON.stringify([settings, remoteAddress, headers]))
    if (status === 403) t.match(answer.json(), { code: 'EX10_KEY_IN_PLAIN_TEXT', message: /use https/ })
    if (status === 403) t.equal((await ask(WRONG_KEY)).statusCode, 403, 'nobody learns by it whether a key is right')
  }
})
