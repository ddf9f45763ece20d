import t from 'tap'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { refusalOf } from '#support/servers/event-socket.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import type { Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

type Headers = Record<string, string>
/** What a credential may do; `isCookie`: a browser sends it by itself, so a page of another site could. */
interface Credential { headers: Headers, mayDo: string, isCookie?: boolean, isForgery?: boolean, hasToken?: boolean }
interface Asked { method: string, path: string, scope: string, body?: object, isChange: boolean, done: number }

const LISTED = 'https://editor.example'
const UNKNOWN = 'f'.repeat(32)

/** Where a request may come from, and whether that may change something. */
const origins = (server: Server): Record<string, { headers: Headers, mayChange: boolean }> => ({
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

/** One request for each thing that can be asked, none of which changes anything when it is let through. */
const REQUESTS: Asked[] = [
  { method: 'GET', path: '/sessions', scope: 'view', isChange: false, done: 200 },
  { method: 'GET', path: `/sessions/${UNKNOWN}`, scope: 'view', isChange: false, done: 404 },
  { method: 'GET', path: `/session/${UNKNOWN}/index.html`, scope: 'view', isChange: false, done: 404 },
  { method: 'GET', path: '/createSession?template=none', scope: 'create', isChange: true, done: 400 },
  { method: 'POST', path: '/sessions', body: { template: 'none' }, scope: 'create', isChange: true, done: 400 },
  { method: 'DELETE', path: `/session/${UNKNOWN}`, scope: 'create', isChange: true, done: 404 },
  { method: 'DELETE', path: `/sessions/${UNKNOWN}`, scope: 'create', isChange: true, done: 404 },
  { method: 'POST', path: `/sessions/${UNKNOWN}/touch`, scope: 'view', isChange: true, done: 404 },
  { method: 'POST', path: '/updateCode', body: { sessionId: UNKNOWN, filePath: 'a.js', content: '' }, scope: 'push', isChange: true, done: 404 },
  { method: 'GET', path: `/sessions/${UNKNOWN}/files`, scope: 'view', isChange: false, done: 404 },
  { method: 'GET', path: `/sessions/${UNKNOWN}/files/a.js`, scope: 'view', isChange: false, done: 404 },
  { method: 'GET', path: `/sessions/${UNKNOWN}/export`, scope: 'view', isChange: false, done: 404 },
  { method: 'PUT', path: `/sessions/${UNKNOWN}/files/a.js`, body: {}, scope: 'push', isChange: true, done: 404 },
  { method: 'DELETE', path: `/sessions/${UNKNOWN}/files/a.js`, scope: 'push', isChange: true, done: 404 },
  { method: 'POST', path: `/sessions/${UNKNOWN}/import`, body: {}, scope: 'push', isChange: true, done: 404 },
  { method: 'GET', path: '/admin/sessions', scope: 'admin', isChange: false, done: 200 },
  { method: 'DELETE', path: `/admin/sessions/${UNKNOWN}`, scope: 'admin', isChange: true, done: 404 },
  { method: 'DELETE', path: '/admin/users/nobody/sessions?dryRun=1', scope: 'admin', isChange: true, done: 200 }
]

/** By a WebSocket: it changes nothing, but a page of another site must not read it with its visitor's cookie. */
const SOCKET: Asked = { method: 'GET', path: `/sessions/${UNKNOWN}/events`, scope: 'view', isChange: false, done: 404 }

/** What must be answered. What is told first tells least: a foreign page learns nothing of credentials, and who may not, nothing of what is there. */
function expected ({ mayChange }: { mayChange: boolean }, { scope, isChange, done }: Asked, { mayDo, isCookie, isForgery, hasToken }: Credential): [number, string | undefined] {
  if (isChange && !mayChange) return [403, 'EX10_ORIGIN_REFUSED']
  if (mayDo === '') return [401, isForgery && !isCookie ? 'EX10_UNKNOWN_KEY' : 'EX10_UNAUTHENTICATED']
  if (!mayDo.split(' ').includes(scope)) return [403, 'EX10_FORBIDDEN']
  if (isChange && isCookie && !hasToken) return [403, 'EX10_CSRF']
  return [done, undefined]
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
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_ORIGINS: LISTED, EX10_FAILURE_RATE: '10000' })
  const keyOf = (...words: string[]) => keysCommand(server, 'create', ...words)
  const [user, admin, watcher, pusher] = [await keyOf('--user', 'anna'), await keyOf('--user', 'ada', '--role', 'admin'), await keyOf('--user', 'anna', '--scopes', 'view'), await keyOf('--user', 'ci', '--scopes', 'push')]
  const [own, other] = [await logIn(server, user), await logIn(server, admin)]
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  const credentials: Record<string, Credential> = {
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
  let cells = 0
  for (const [where, origin] of Object.entries(origins(server))) {
    for (const asked of REQUESTS) {
      const wrong: string[] = []
      for (const [who, credential] of Object.entries(credentials)) {
        const { method, path, body } = asked
        const response = await fetch(server.url + path, {
          method, redirect: 'manual', headers: { ...origin.headers, ...credential.headers, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) })
        })
        const { code } = await response.json().catch(() => ({})) as { code?: string }
        const [status, refusal] = expected(origin, asked, credential)
        const isRight = response.status === status && (refusal === undefined || code === refusal) && (response.headers.get('access-control-allow-origin') ?? undefined) === (origin.headers.origin === LISTED ? LISTED : undefined)
        if (!isRight) wrong.push(`${who}: ${response.status} ${code}, and not ${status} ${refusal ?? ''}`)
        cells++
      }
      t.strictSame(wrong, [], `${asked.method} ${asked.path.replace(UNKNOWN, 'ID')}, from ${where}`)
    }
    for (const [who, credential] of Object.entries(credentials)) {
      const [status, refusal] = origin.mayChange ? expected(origin, SOCKET, credential) : [403, 'EX10_ORIGIN_REFUSED']
      t.match(await refusalOf(server, SOCKET.path, { ...origin.headers, ...credential.headers }), { status, ...(refusal && { code: refusal }) }, `a WebSocket to the events, from ${where}: ${who}`)
      cells++
    }
  }
  t.ok(cells >= 200, `${cells} cells`)
  tally(t, 'cells of origin, request and credential', cells)
  await assertEndsClean(t, as(server, admin))
})
