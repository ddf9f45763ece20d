import t from 'tap'
import { ask as askAny, type Asked } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import type { Server } from '#support/servers/server.ts'

/** A request by a proxy with https, which may say where it comes from. */
const ask = (server: Server, path: string, { headers, ...asked }: Asked = {}) => askAny(server, path, { ...asked, headers: { 'x-forwarded-proto': 'https', ...headers } })

t.test('a user may ask for so many creations a minute, by whichever route, and each address may show so many wrong keys', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_CREATE_RATE: '3', EX10_FAILURE_RATE: '4', EX10_TRUST_PROXY: '127.0.0.1' })
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const create = (user: Server, headers: Record<string, string> = {}) => ask(user, '/sessions', { method: 'POST', headers, body: { template: 'none' } })
  const createAsBefore = (user: Server) => ask(user, '/createSession?template=none')

  const answers = []
  for (const way of [create, createAsBefore, create, createAsBefore, create]) answers.push(await way(anna))
  t.strictSame(answers.map(({ status }) => status), [400, 400, 400, 429, 429])
  t.strictSame(answers.map(({ headers }) => headers['ratelimit-remaining']), ['2', '1', '0', '0', '0'])
  t.match(answers[4]!.body, { success: false, code: 'EX10_TOO_MANY_REQUESTS', statusCode: 429 })
  t.ok(Number(answers[4]!.headers['retry-after']) > 0, 'and when to come again')
  t.equal((await create(admin)).status, 400, 'another user may')
  t.equal((await create(anna, { 'x-forwarded-for': '203.0.113.7' })).status, 400, 'and the same one elsewhere')
  const far = []
  for (let i = 0; i < 4; i++) far.push((await create(anna, { 'x-forwarded-for': `2001:db8::${i}` })).status)
  t.strictSame(far, [400, 400, 400, 429], 'of IPv6, a network is one address')
  const shared = []
  for (let i = 0; i < 4; i++) shared.push((await ask(anna, '/sessions/none/shares', { method: 'POST', body: { mode: 'view' } })).status)
  t.strictSame(shared, [404, 404, 404, 429], 'nor does anybody make links as often as they like')
  t.equal((await ask(anna, '/sessions')).status, 200, 'other requests are not limited')

  const wrong = async (headers: Record<string, string> = {}) => (await ask(as(server, 'wrong'), '/sessions', { headers })).status
  const { headers } = await ask(as(server, 'wrong'), '/sessions', { headers: { 'x-forwarded-for': '203.0.113.8' } })
  t.match([headers['ratelimit-limit'], headers['ratelimit-remaining'], headers['ratelimit-reset']], ['4', '3', /^\d+$/])
  for (let i = 0; i < 5; i++) await wrong({ 'x-forwarded-for': `2001:db8::${i}` })
  t.equal(await wrong({ 'x-forwarded-for': '2001:db8::ffff' }), 429, 'of IPv6, a network counts as an address')
  t.equal(await wrong({ 'x-forwarded-for': '2001:db8:0:1::1' }), 401, 'and the next one as another')
  const statuses = []
  for (let i = 0; i < 6; i++) statuses.push(await wrong())
  t.strictSame(statuses, [401, 401, 401, 401, 429, 429])
  t.equal((await ask(server, '/login', { method: 'POST', body: { key: 'wrong' } })).status, 429, 'wherever it is shown')
  t.equal(await wrong({ 'x-forwarded-for': '203.0.113.7' }), 401, 'another address is not concerned')
  t.equal((await ask(anna, '/sessions')).status, 200, 'a good key is taken all the same')

  const links = []
  for (let i = 0; i < 6; i++) links.push((await ask(server, `/share/${'A'.repeat(43)}`, { headers: { 'x-forwarded-for': '203.0.113.10' } })).status)
  t.strictSame(links, [404, 404, 404, 404, 429, 429], 'wrong links count, too')

  const logIn = async (key: string, address = '203.0.113.9') => (await ask(server, '/login', { method: 'POST', headers: { 'x-forwarded-for': address }, body: { key } })).status
  const key = await keysCommand(server, 'create', '--user', 'ben')
  const logins = []
  for (let i = 0; i < 6; i++) logins.push(await logIn(key, `2001:db8:9::${i}`))
  t.strictSame(logins, [200, 200, 200, 200, 429, 429], 'nor does anybody log in as often as they like')
  t.equal(await logIn(await keysCommand(server, 'create', '--user', 'cleo'), '2001:db8:9::1'), 200, 'others at the same address do')
  await assertEndsClean(t, admin)
})
