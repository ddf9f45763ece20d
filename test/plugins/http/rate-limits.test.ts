import t, { type Test } from 'tap'
import type { InjectOptions } from 'fastify'
import type { Config } from '#config.ts'
import { LOCAL } from '#domain/principal.ts'
import rateLimits from '#plugins/http/rate-limits.ts'
import { bareApp } from '#support/bare-app.ts'

/** Routes as those that are limited; the header `user` stands in for `identity`, which finds out who asks. */
async function limited (t: Test, settings: Partial<Config>) {
  const app = await bareApp(t, [rateLimits], { settings })
  app.decorateRequest('principal')
  app.addHook('onRequest', async request => { request.principal = { ...LOCAL, user: String(request.headers.user) } })
  app.get('/create', { onRequest: app.rateLimits.creation }, async () => 'made')
  app.get('/share', { onRequest: app.rateLimits.sharing }, async () => 'made')
  app.get('/login', async (request, reply) => app.rateLimits.login(request, reply, String(request.headers.key)))
  app.get('/callback', async (request, reply) => app.rateLimits.callback(request, reply))
  app.get('/wrong-key', async (request, reply) => { throw await app.rateLimits.unknownKey(request, reply) })
  /** Sends a request so many times, one after the other. */
  return async (url: string, count: number, headers: InjectOptions['headers'] = {}, remoteAddress = '192.0.2.1') => {
    const answers = []
    for (let time = 0; time < count; time++) answers.push(await app.inject({ url, headers, remoteAddress }))
    return answers.map(answer => ({ status: answer.statusCode, code: answer.headers['content-type']?.includes('json') ? answer.json().code : undefined, headers: answer.headers }))
  }
}

const statuses = (answers: { status: number }[]) => answers.map(({ status }) => status)

t.test('a user may make EX10_CREATE_RATE sessions a minute at an address, and reads when to come again', async t => {
  const ask = await limited(t, { createRate: 2 })
  const answers = await ask('/create', 3, { user: 'anna' })
  t.strictSame(statuses(answers), [200, 200, 429])
  t.strictSame(answers.map(({ headers }) => headers['ratelimit-remaining']), ['1', '0', '0'], 'each answer tells how many are left')
  t.match(answers[2], { code: 'EX10_TOO_MANY_REQUESTS', headers: { 'retry-after': '60', 'ratelimit-limit': '2' } })
  t.strictSame(statuses(await ask('/create', 1, { user: 'ben' })), [200], 'another user is not held up')
  t.strictSame(statuses(await ask('/create', 1, { user: 'anna' }, '192.0.2.2')), [200], 'nor is the user elsewhere')
  t.strictSame(statuses(await ask('/share', 1, { user: 'anna' })), [200], 'links are counted by themselves')
})

t.test('with EX10_CREATE_RATE=0 nothing is counted', async t => {
  const ask = await limited(t, { createRate: 0 })
  const [answer] = await ask('/create', 1, { user: 'anna' })
  t.equal(answer!.status, 200)
  t.notOk(Object.keys(answer!.headers).some(name => name.startsWith('ratelimit')))
})

t.test('an address learns of at most EX10_FAILURE_RATE wrong keys a minute that they are wrong', async t => {
  const ask = await limited(t, { failureRate: 2 })
  const answers = await ask('/wrong-key', 3)
  t.strictSame(answers.map(({ status, code }) => [status, code]), [[401, 'EX10_UNKNOWN_KEY'], [401, 'EX10_UNKNOWN_KEY'], [429, 'EX10_TOO_MANY_REQUESTS']])
  t.match(answers[2]!.headers['retry-after'], /^\d+$/)
  t.strictSame(statuses(await ask('/wrong-key', 1, {}, '192.0.2.2')), [401], 'another address still learns it')
})

t.test('all addresses of an IPv6 network are one: guesses from each of them are counted together', async t => {
  const ask = await limited(t, { failureRate: 1 })
  t.strictSame(statuses(await ask('/wrong-key', 1, {}, '2001:db8::1')), [401])
  t.strictSame(statuses(await ask('/wrong-key', 1, {}, '2001:db8::2')), [429])
  t.strictSame(statuses(await ask('/wrong-key', 1, {}, '2001:db8:0:1::1')), [401], 'the network beside it is another')
})

t.test('a key opens EX10_FAILURE_RATE logins a minute at an address; people come back from the provider ten times as often', async t => {
  const ask = await limited(t, { failureRate: 2 })
  t.strictSame(statuses(await ask('/login', 3, { key: 'a' })), [200, 200, 429])
  t.strictSame(statuses(await ask('/login', 1, { key: 'b' })), [200], 'another key is counted by itself')
  t.strictSame(statuses(await ask('/callback', 21)), [...Array(20).fill(200), 429])
  t.strictSame(statuses(await ask('/wrong-key', 1)), [401], 'neither counts as a guess')
})
