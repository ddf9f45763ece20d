import t, { type Test } from 'tap'
import origins from '#plugins/http/origins.ts'
import { bareApp } from '#support/bare-app.ts'

const LISTED = 'https://editor.example'
const OTHER = 'https://evil.example'

async function withOrigins (t: Test) {
  const app = await bareApp(t, [origins], { settings: { origins: [LISTED] } })
  app.get('/read', async () => 'read')
  app.post('/write', async () => 'written')
  app.get('/createSession', { config: { changesState: true } }, async () => 'made')
  app.post('/page', { config: { hasPageToken: true } }, async () => 'done')
  return async (method: 'GET' | 'POST' | 'OPTIONS', url: string, headers: Record<string, string> = {}) => {
    const answer = await app.inject({ method, url, headers: { host: 'localhost:3001', ...headers } })
    return { status: answer.statusCode, code: answer.body.startsWith('{') ? answer.json().code : answer.body, headers: answer.headers }
  }
}

t.test('a page of another site changes nothing, whatever the method is called; a listed one, the server\'s own, and programs do', async t => {
  const ask = await withOrigins(t)
  for (const [method, url] of [['POST', '/write'], ['GET', '/createSession']] as const) {
    t.match(await ask(method, url, { origin: OTHER }), { status: 403, code: 'EX10_ORIGIN_REFUSED' }, url)
    t.match(await ask(method, url, { 'sec-fetch-site': 'cross-site' }), { status: 403, code: 'EX10_ORIGIN_REFUSED' }, `${url} by a link or a form`)
    t.match(await ask(method, url, { origin: LISTED, 'sec-fetch-site': 'cross-site' }), { status: 200 }, `${url} by a listed origin`)
    t.match(await ask(method, url, { 'sec-fetch-site': 'same-origin' }), { status: 200 }, `${url} by its own page`)
    t.match(await ask(method, url), { status: 200 }, `${url} by a program`)
  }
  t.match(await ask('GET', '/read', { origin: OTHER }), { status: 200 }, 'reading changes nothing, and the browser keeps the answer from the page')
})

t.test('the display page writes from its opaque origin where the route asks for its token, and nowhere else', async t => {
  const ask = await withOrigins(t)
  t.match(await ask('POST', '/page', { origin: 'null' }), { status: 200 })
  t.match(await ask('POST', '/write', { origin: 'null' }), { status: 403 })
  t.match(await ask('POST', '/page', { origin: OTHER }), { status: 403 })
})

t.test('a name that is not the server\'s is refused before anything is read: a site that rebinds its name reaches nothing', async t => {
  const ask = await withOrigins(t)
  t.match(await ask('GET', '/read', { host: 'evil.example' }), { status: 421, code: 'EX10_UNKNOWN_HOST' })
  t.match(await ask('GET', '/read', { host: '127.0.0.1:3001' }), { status: 200 })
})

t.test('a prefetch makes no session', async t => {
  const ask = await withOrigins(t)
  for (const [name, value] of [['sec-purpose', 'prefetch;prerender'], ['purpose', 'prefetch'], ['x-moz', 'prefetch']] as const) {
    t.match(await ask('GET', '/createSession', { [name]: value }), { status: 403, code: 'EX10_PREFETCH_REFUSED' }, name)
  }
  t.match(await ask('GET', '/read', { purpose: 'prefetch' }), { status: 200 }, 'what changes nothing may be fetched before')
})

t.test('browsers are told that listed origins may read answers, and which headers of them', async t => {
  const ask = await withOrigins(t)
  const { headers } = await ask('OPTIONS', '/write', { origin: LISTED, 'access-control-request-method': 'POST' })
  t.equal(headers['access-control-allow-origin'], LISTED)
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) t.match(headers['access-control-allow-methods'], method)
  t.match((await ask('GET', '/read', { origin: LISTED })).headers['access-control-expose-headers'], /Retry-After/)
  t.notOk('access-control-allow-origin' in (await ask('GET', '/read', { origin: OTHER })).headers)
})
