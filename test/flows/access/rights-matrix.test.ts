import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { freePort } from '#support/servers/free-port.ts'
import { refusalOf } from '#support/servers/event-socket.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import type { Server } from '#support/servers/server.ts'
import { listRoutes } from '#support/servers/routes.ts'
import { tally } from '#support/servers/tally.ts'

type Headers = Record<string, string>
/** What a credential may do; `isCookie`: a browser sends it by itself, so a page of another site could. */
interface Credential { headers: Headers, mayDo: string, isCookie?: boolean, isForgery?: boolean, hasToken?: boolean }
/** One request to a route, which changes nothing when it is let through, and what it is answered then. */
interface Row {
  path: string
  done: number
  /** JSON, if it is an object. */
  body?: object | string
  type?: string
  /** It ends logins when it is let through. */
  endsLogins?: boolean
  /** It takes its time: a few origins ask it. */
  isDear?: boolean
  /** Pages of every origin may read the answer. */
  isForAll?: boolean
}
interface Asked extends Row { method: string, scope: string, isChange: boolean, isForPages: boolean }

const LISTED = 'https://editor.example'
const UNKNOWN = 'f'.repeat(32)

interface Origin { headers: Headers, mayChange: boolean }

/** Where a request may come from, and whether that may change something. */
const origins = (server: Server): Record<string, Origin> => ({
  'no browser': { headers: {}, mayChange: true },
  'a page of ours': { headers: { origin: server.url, 'sec-fetch-site': 'same-origin' }, mayChange: true },
  'a page of ours that only navigates': { headers: { 'sec-fetch-site': 'same-origin' }, mayChange: true },
  'the address bar': { headers: { 'sec-fetch-site': 'none' }, mayChange: true },
  'a front end on the list': { headers: { origin: LISTED, 'sec-fetch-site': 'cross-site' }, mayChange: true },
  'another site': { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, mayChange: false },
  'another site\'s link or image': { headers: { 'sec-fetch-site': 'cross-site' }, mayChange: false },
  'another port of this host': { headers: { origin: 'http://localhost:5174', 'sec-fetch-site': 'same-site' }, mayChange: false },
  'a page without an origin': { headers: { origin: 'null', 'sec-fetch-site': 'cross-site' }, mayChange: false },
  'a name that only begins like one on the list': { headers: { origin: `${LISTED}.evil.example` }, mayChange: false }
})

/** By the route. */
const ROWS: Record<string, Row> = {
  'GET /': { path: '/', done: 200 },
  'GET /health': { path: '/health', done: 200 },
  'GET /ready': { path: '/ready', done: 200 },
  'GET /metrics': { path: '/metrics', done: 200 },
  'GET /openapi.json': { path: '/openapi.json', done: 200 },
  'GET /docs': { path: '/docs', done: 200 },
  'GET /display/:version/*': { path: '/display/none/page.js', done: 404 },
  'GET /share/:token': { path: '/share/none', done: 404 },
  'POST /login': { path: '/login', body: { key: 'none' }, done: 401 },
  'GET /login/oidc': { path: '/login/oidc', done: 503 },
  'GET /login/oidc/callback': { path: '/login/oidc/callback?state=none', done: 403 },
  'POST /login/oidc/backchannel': { path: '/login/oidc/backchannel', type: 'application/x-www-form-urlencoded', body: 'logout_token=none', done: 503 },
  'POST /logout': { path: '/logout', done: 200, endsLogins: true },
  'GET /me': { path: '/me', done: 200 },
  'GET /me/logins': { path: '/me/logins', done: 200 },
  'DELETE /me/logins': { path: '/me/logins', done: 200, endsLogins: true },
  'DELETE /me/logins/:id': { path: '/me/logins/none', done: 404 },
  'GET /sessions': { path: '/sessions', done: 200 },
  'POST /sessions': { path: '/sessions', body: { template: 'none' }, done: 400 },
  'POST /sessions/import': { path: '/sessions/import', type: 'application/gzip', body: 'none', done: 400 },
  'GET /sessions/:id/snapshot': { path: `/sessions/${UNKNOWN}/snapshot`, done: 404 },
  'POST /recover': { path: '/recover', body: { token: 'none' }, done: 404 },
  'GET /recoverable': { path: '/recoverable', done: 200 },
  'POST /recoverable/:id/token': { path: `/recoverable/${UNKNOWN}/token`, done: 404 },
  'GET /createSession': { path: '/createSession?template=none', done: 400 },
  'GET /sessions/:id': { path: `/sessions/${UNKNOWN}`, done: 404 },
  'DELETE /sessions/:id': { path: `/sessions/${UNKNOWN}`, done: 404 },
  'DELETE /session/:id': { path: `/session/${UNKNOWN}`, done: 404 },
  'POST /sessions/:id/touch': { path: `/sessions/${UNKNOWN}/touch`, done: 404 },
  'POST /sessions/:id/refresh': { path: `/sessions/${UNKNOWN}/refresh`, done: 404 },
  'POST /sessions/:id/restart': { path: `/sessions/${UNKNOWN}/restart`, body: { what: 'all' }, done: 404 },
  'GET /sessions/:id/valid': { path: `/sessions/${UNKNOWN}/valid`, done: 200 },
  'GET /sessions/:id/logs': { path: `/sessions/${UNKNOWN}/logs?source=xpra`, done: 404 },
  'GET /sessions/:id/events': { path: `/sessions/${UNKNOWN}/events`, done: 404 },
  'GET /sessions/:id/analytics': { path: `/sessions/${UNKNOWN}/analytics`, done: 404 },
  'GET /sessions/:id/shares': { path: `/sessions/${UNKNOWN}/shares`, done: 404 },
  'POST /sessions/:id/shares': { path: `/sessions/${UNKNOWN}/shares`, body: { mode: 'view' }, done: 404 },
  'DELETE /sessions/:id/shares/:shareId': { path: `/sessions/${UNKNOWN}/shares/none`, done: 404 },
  'POST /updateCode': { path: '/updateCode', body: { sessionId: UNKNOWN, filePath: 'a.js', content: '' }, done: 404 },
  'GET /sessions/:id/files': { path: `/sessions/${UNKNOWN}/files`, done: 404 },
  'GET /sessions/:id/files/*': { path: `/sessions/${UNKNOWN}/files/a.js`, done: 404 },
  'PUT /sessions/:id/files/*': { path: `/sessions/${UNKNOWN}/files/a.js`, body: {}, done: 404 },
  'DELETE /sessions/:id/files/*': { path: `/sessions/${UNKNOWN}/files/a.js`, done: 404 },
  'POST /sessions/:id/import': { path: `/sessions/${UNKNOWN}/import`, body: {}, done: 404 },
  'GET /sessions/:id/export': { path: `/sessions/${UNKNOWN}/export`, done: 404 },
  'GET /sessions/:id/versions': { path: `/sessions/${UNKNOWN}/versions`, done: 404 },
  'PATCH /sessions/:id/versions/:version': { path: `/sessions/${UNKNOWN}/versions/1`, body: { label: null }, done: 404 },
  'GET /sessions/:id/versions/:version/files': { path: `/sessions/${UNKNOWN}/versions/1/files`, done: 404 },
  'GET /sessions/:id/versions/:version/files/*': { path: `/sessions/${UNKNOWN}/versions/1/files/a.js`, done: 404 },
  'GET /sessions/:id/versions/:version/diff': { path: `/sessions/${UNKNOWN}/versions/1/diff`, done: 404 },
  'GET /sessions/:id/activities': { path: `/sessions/${UNKNOWN}/activities`, done: 404 },
  'POST /sessions/:id/activities': { path: `/sessions/${UNKNOWN}/activities`, body: {}, done: 404 },
  'POST /sessions/:id/activities/:activity/commit': { path: `/sessions/${UNKNOWN}/activities/1/commit`, done: 404 },
  'POST /sessions/:id/activities/:activity/discard': { path: `/sessions/${UNKNOWN}/activities/1/discard`, done: 404 },
  'POST /sessions/:id/rollback': { path: `/sessions/${UNKNOWN}/rollback`, body: { version: 0 }, done: 404 },
  'GET /sessions/:id/state': { path: `/sessions/${UNKNOWN}/state`, done: 404 },
  'PUT /sessions/:id/state': { path: `/sessions/${UNKNOWN}/state`, body: {}, done: 404 },
  'PATCH /sessions/:id/state': { path: `/sessions/${UNKNOWN}/state`, body: {}, done: 404 },
  'DELETE /sessions/:id/state': { path: `/sessions/${UNKNOWN}/state`, done: 404 },
  'GET /sessions/:id/state/:category': { path: `/sessions/${UNKNOWN}/state/ui_state`, done: 404 },
  'PUT /sessions/:id/state/:category': { path: `/sessions/${UNKNOWN}/state/ui_state`, body: {}, done: 404 },
  'PATCH /sessions/:id/state/:category': { path: `/sessions/${UNKNOWN}/state/ui_state`, body: {}, done: 404 },
  'DELETE /sessions/:id/state/:category': { path: `/sessions/${UNKNOWN}/state/ui_state`, done: 404 },
  'GET /sessions/:id/state/:category/:key': { path: `/sessions/${UNKNOWN}/state/ui_state/x`, done: 404 },
  'PUT /sessions/:id/state/:category/:key': { path: `/sessions/${UNKNOWN}/state/ui_state/x`, body: {}, done: 404 },
  'PATCH /sessions/:id/state/:category/:key': { path: `/sessions/${UNKNOWN}/state/ui_state/x`, body: {}, done: 404 },
  'DELETE /sessions/:id/state/:category/:key': { path: `/sessions/${UNKNOWN}/state/ui_state/x`, done: 404 },
  'GET /sessions/:id/state/versions': { path: `/sessions/${UNKNOWN}/state/versions`, done: 404 },
  'POST /sessions/:id/state/restore': { path: `/sessions/${UNKNOWN}/state/restore`, body: { version: 1 }, done: 404 },
  'GET /session/:id': { path: `/session/${UNKNOWN}`, done: 404 },
  'GET /session/:id/': { path: `/session/${UNKNOWN}/`, done: 404 },
  'GET /session/:id/*': { path: `/session/${UNKNOWN}/js/x.js`, done: 404 },
  'GET /session/:id/index.html': { path: `/session/${UNKNOWN}/index.html`, done: 404 },
  'GET /session/:id/display': { path: `/session/${UNKNOWN}/display?token=none`, done: 403 },
  'POST /session/:id/display': { path: `/session/${UNKNOWN}/display`, type: 'text/plain', body: 'none', done: 404, isForAll: true },
  'GET /session/:id/state': { path: `/session/${UNKNOWN}/state`, done: 404, isForAll: true },
  'GET /session/:id/problems': { path: `/session/${UNKNOWN}/problems`, done: 404, isForAll: true },
  'POST /session/:id/keep': { path: `/session/${UNKNOWN}/keep`, type: 'text/plain', body: 'none', done: 404, isForAll: true },
  'POST /session/:id/recovery': { path: `/session/${UNKNOWN}/recovery`, type: 'text/plain', body: 'none', done: 404, isForAll: true },
  'GET /admin/sessions': { path: '/admin/sessions', done: 200 },
  'DELETE /admin/sessions/:id': { path: `/admin/sessions/${UNKNOWN}`, done: 404 },
  'DELETE /admin/users/:user/sessions': { path: '/admin/users/nobody/sessions?dryRun=1', done: 200 },
  'DELETE /admin/users/:user/logins': { path: '/admin/users/nobody/logins', done: 200 },
  'POST /admin/drain': { path: '/admin/drain', body: { deadline: 'none' }, done: 400 },
  'GET /admin/drain': { path: '/admin/drain', done: 200 },
  'DELETE /admin/drain': { path: '/admin/drain', done: 200 },
  'GET /archives': { path: '/archives', done: 200 },
  'GET /archives/:id': { path: `/archives/${UNKNOWN}`, done: 404 },
  'GET /archives/:id/download': { path: `/archives/${UNKNOWN}/download`, done: 404 },
  'DELETE /archives/:id': { path: `/archives/${UNKNOWN}`, done: 404 },
  'DELETE /users/:user/data': { path: '/users/a%20b/data', done: 400 },
  'GET /admin/stats': { path: '/admin/stats', done: 200 },
  'GET /admin/analytics': { path: '/admin/analytics', done: 200 },
  'GET /admin/audit': { path: '/admin/audit', done: 200, isDear: true },
  'GET /admin/audit-log': { path: '/admin/audit-log', done: 200 },
  'GET /admin/keys': { path: '/admin/keys', done: 200 },
  'POST /admin/keys': { path: '/admin/keys', body: {}, done: 400 },
  'DELETE /admin/keys/:id': { path: '/admin/keys/none', done: 404 }
}

/** Whose preflights the CORS library answers before anybody is asked who they are. */
const PREFLIGHT = 'OPTIONS *'
/** The origins that ask the routes whose answer takes long. */
const FEW = ['no browser', 'another site']
/** The origins of an everyday run: one of each kind of rule. A long run has all. */
const EVERYDAY = [...FEW, 'a front end on the list', 'a page without an origin']

/** By a WebSocket: it changes nothing, but a page of another site must not read it with its visitor's cookie. */
const SOCKET: Asked = { method: 'GET', path: `/sessions/${UNKNOWN}/events`, scope: 'view', isChange: false, isForPages: false, done: 404 }

/** What must be answered. What is told first tells least: a foreign page learns nothing of credentials, and who may not, nothing of what is there. */
function expected ({ mayChange, headers }: Origin, { scope, isChange, isForPages, done }: Asked, { mayDo, isCookie, isForgery, hasToken }: Credential): [number, string | undefined] {
  if (isChange && !mayChange && !(isForPages && headers.origin === 'null')) return [403, 'EX10_ORIGIN_REFUSED']
  if (scope === 'everybody') return [done, undefined]
  if (mayDo === '') return [401, isForgery && !isCookie ? 'EX10_UNKNOWN_KEY' : 'EX10_UNAUTHENTICATED']
  if (scope !== 'any' && !mayDo.split(' ').includes(scope)) return [403, 'EX10_FORBIDDEN']
  if (isChange && isCookie && !hasToken) return [403, 'EX10_CSRF']
  return [done, undefined]
}

/** Each route's request, by what the route says of itself. A library's pages are one. */
async function requests (t: Test, settings: Record<string, string>): Promise<Asked[]> {
  const routes = (await listRoutes(settings)).map(route => ({ ...route, name: `${route.method} ${route.url.replace(/^\/docs\b.*/, '/docs')}` }))
  t.strictSame(routes.filter(({ config }) => !config.scope).map(({ name }) => name), [PREFLIGHT], 'every route says who may use it')
  const asked = new Map(routes.filter(({ name }) => name !== PREFLIGHT).map(({ name, method, config: { scope = '', changesState, hasPageToken } }) =>
    [name, { method, scope, isChange: method !== 'GET' || changesState === true, isForPages: hasPageToken === true }]))
  t.strictSame([...asked.keys()].toSorted(), Object.keys(ROWS).toSorted(), 'every route has a row')
  return [...asked].map(([name, asked]) => ({ ...asked, ...ROWS[name]! }))
}

async function logIn (server: Server, key: string): Promise<{ cookie: string, token: string }> {
  const cookies = new Map<string, string>()
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, { ...init, headers: { ...init.headers, cookie: [...cookies.values()].join('; ') } })
    for (const line of response.headers.getSetCookie()) cookies.set(line.split('=')[0]!, line.split(';')[0]!)
    return await response.json() as { csrfToken: string }
  }
  await ask('/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key }) })
  const { csrfToken: token } = await ask('/me')
  return { cookie: [...cookies.values()].join('; '), token }
}

t.test('whatever is asked, from wherever, by whomever: nobody does what they may not, and everybody what they may', { timeout: 300_000 }, async t => {
  const port = await freePort()
  const settings = {
    ...lightDisplay(),
    EX10_AUTH: 'oidc',
    EX10_PORT: String(port),
    EX10_PUBLIC_URL: `http://127.0.0.1:${port}`,
    EX10_OIDC_ISSUER: 'http://127.0.0.1:9', // nobody answers there
    EX10_OIDC_CLIENT_ID: 'ex10',
    EX10_ORIGINS: LISTED,
    EX10_FAILURE_RATE: '100000'
  }
  const all = await requests(t, settings)
  const server = await serve(t, settings)
  const keyOf = (...words: string[]) => keysCommand(server, 'create', ...words)
  const [user, admin, watcher, pusher] = [await keyOf('--user', 'anna'), await keyOf('--user', 'ada', '--role', 'admin'), await keyOf('--user', 'anna', '--scopes', 'view'), await keyOf('--user', 'ci', '--scopes', 'push')]
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  const logInAll = async (): Promise<Record<string, Credential>> => {
    const [own, other] = await Promise.all([logIn(server, user), logIn(server, admin)])
    return {
      nothing: { headers: {}, mayDo: '' },
      'a user\'s key': { headers: bearer(user), mayDo: 'create view push' },
      'a key that may only look': { headers: bearer(watcher), mayDo: 'view' },
      'a key that may only push': { headers: bearer(pusher), mayDo: 'push' },
      'an admin\'s key': { headers: bearer(admin), mayDo: 'create view push admin' },
      'a key that is not known': { headers: bearer(`ex10_${'A'.repeat(43)}`), mayDo: '', isForgery: true },
      'a login': { headers: { cookie: own.cookie }, mayDo: 'create view push', isCookie: true },
      'a login and its token': { headers: { cookie: own.cookie, 'x-csrf-token': own.token }, mayDo: 'create view push', isCookie: true, hasToken: true },
      'a login and another one\'s token': { headers: { cookie: own.cookie, 'x-csrf-token': other.token }, mayDo: 'create view push', isCookie: true },
      'an admin\'s login and its token': { headers: { cookie: other.cookie, 'x-csrf-token': other.token }, mayDo: 'create view push admin', isCookie: true, hasToken: true },
      'a forged login': { headers: { cookie: own.cookie.replace(/(ex10-login=)./, '$1~') }, mayDo: '', isCookie: true, isForgery: true }
    }
  }

  /** What is wrong with the answer, if anything is. */
  async function ask (origin: Origin, asked: Asked, credential: Credential): Promise<string | undefined> {
    const { method, path, body, type = 'application/json', isForAll } = asked
    const response = await fetch(server.url + path, {
      method, redirect: 'manual', headers: { ...origin.headers, ...credential.headers, ...(body && { 'content-type': type }) }, ...(body && { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const { code } = await response.json().catch(() => ({})) as { code?: string }
    const [status, refusal] = expected(origin, asked, credential)
    const mayRead = refusal !== 'EX10_ORIGIN_REFUSED' && isForAll ? '*' : origin.headers.origin === LISTED ? LISTED : undefined
    const isRight = response.status === status && (refusal === undefined || code === refusal) && (response.headers.get('access-control-allow-origin') ?? undefined) === mayRead
    return isRight ? undefined : `${response.status} ${code}, and not ${status} ${refusal ?? ''}`
  }

  let credentials = await logInAll()
  let cells = 0
  for (const [where, origin] of Object.entries(origins(server)).filter(([where]) => IS_LONG || EVERYDAY.includes(where))) {
    for (const asked of all.filter(({ isDear }) => !isDear || FEW.includes(where))) {
      const wrong: Record<string, string | undefined> = {}
      if (asked.endsLogins) {
        for (const who of Object.keys(credentials)) {
          const isLetThrough = expected(origin, asked, credentials[who]!)[0] === asked.done
          wrong[who] = await ask(origin, asked, credentials[who]!)
          if (isLetThrough) credentials = await logInAll()
        }
      } else {
        await Promise.all(Object.entries(credentials).map(async ([who, credential]) => { wrong[who] = await ask(origin, asked, credential) }))
      }
      cells += Object.keys(credentials).length
      t.strictSame(Object.entries(wrong).filter(([, why]) => why), [], `${asked.method} ${asked.path.replace(UNKNOWN, 'ID')}, from ${where}`)
    }
    for (const [who, credential] of Object.entries(credentials)) {
      const [status, refusal] = origin.mayChange ? expected(origin, SOCKET, credential) : [403, 'EX10_ORIGIN_REFUSED']
      t.match(await refusalOf(server, SOCKET.path, { ...origin.headers, ...credential.headers }), { status, ...(refusal && { code: refusal }) }, `a WebSocket to the events, from ${where}: ${who}`)
      cells++
    }
  }
  const handshake = `GET ${SOCKET.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`
  const refused = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  refused.end(handshake)
  t.match(await text(refused), /^HTTP\/1\.1 401 /, 'a WebSocket that is refused is answered, and closed by the server')
  t.ok(cells >= (IS_LONG ? 5000 : 2000), `${cells} cells`)
  tally(t, 'cells of origin, request and credential', cells)
  await assertEndsClean(t, as(server, admin))
})
