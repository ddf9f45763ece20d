import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { Config } from '#config.ts'
import answerHeaders from '#plugins/http/answer-headers.ts'
import { bareApp } from '#support/bare-app.ts'

const PROXY = '192.0.2.1'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Routes of each kind of answer; `ask` is a request from the proxy, unless it comes from another address. */
async function answering (t: Test, settings: Partial<Config> = {}) {
  const app = await bareApp(t, [answerHeaders], { settings: { trustProxy: [PROXY], ...settings } })
  app.get('/text', async request => request.id)
  app.get('/stream', async (_request, reply) => reply.type('application/x-ndjson').send(Readable.from(['{}\n'])))
  app.get('/bug', async () => { throw new Error('a bug') })
  app.get('/kept', async (_request, reply) => reply.headers({ 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding' }).send('kept'))
  return (url: string, headers: Record<string, string> = {}, remoteAddress = PROXY) => app.inject({ url, headers, remoteAddress })
}

t.test('each answer has an id of its own, also a refusal, and the message of a failure names it', async t => {
  const ask = await answering(t)
  const [first, second] = [await ask('/text'), await ask('/text')]
  t.match(first.headers['x-request-id'], UUID)
  t.equal(first.body, first.headers['x-request-id'], 'the log has the same')
  t.not(first.headers['x-request-id'], second.headers['x-request-id'])
  for (const url of ['/stream', '/nothing', '/%', '/bug']) t.match((await ask(url)).headers['x-request-id'], UUID, url)
  const { headers, body } = await ask('/bug')
  const id = String(headers['x-request-id'])
  t.match(JSON.parse(body), { code: 'EX10_INTERNAL', message: `The server failed: its log has the cause, under the request id ${id}`, details: { requestId: id } })
})

t.test('a trusted proxy gives requests their ids; nobody else does, and no id may be long or hold other characters', async t => {
  const ask = await answering(t)
  for (const id of ['4f0c', 'Root=1-67891233-abcdef012345678912345678', 'a'.repeat(128)]) t.equal((await ask('/text', { 'x-request-id': id })).headers['x-request-id'], id)
  t.match((await ask('/text', { 'x-request-id': '4f0c' }, '192.0.2.2')).headers['x-request-id'], UUID, 'from another address')
  for (const id of ['', ' ', 'a b', 'a"b', 'a,b', '<b>', 'é', 'a'.repeat(129)]) t.match((await ask('/text', { 'x-request-id': id })).headers['x-request-id'], UUID, JSON.stringify(id.slice(0, 9)))
})

t.test('no answer is stored by caches or read as another type, unless its route says so', async t => {
  const ask = await answering(t)
  for (const url of ['/text', '/stream', '/nothing', '/bug', '/%']) {
    t.match((await ask(url)).headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', vary: 'authorization, cookie' }, url)
  }
  t.match((await ask('/kept')).headers, { 'cache-control': /immutable/, 'x-content-type-options': 'nosniff', vary: 'accept-encoding' })
})

t.test('nginx passes each piece of a stream on at once', async t => {
  const ask = await answering(t)
  t.equal((await ask('/stream')).headers['x-accel-buffering'], 'no')
  t.notOk('x-accel-buffering' in (await ask('/text')).headers)
})

t.test('browsers keep to https where the public address has it, once they came by it', async t => {
  const STS = 'strict-transport-security'
  const https = { 'x-forwarded-proto': 'https' }
  const ask = await answering(t, { publicUrl: 'https://ex10.example' })
  t.equal((await ask('/text', https)).headers[STS], 'max-age=31536000')
  t.notOk(STS in (await ask('/text', { 'x-forwarded-proto': 'http' })).headers, 'never over plain http')
  t.notOk(STS in (await ask('/text')).headers)
  t.notOk(STS in (await ask('/text', https, '192.0.2.2')).headers, 'nor because anybody says https')
  t.notOk(STS in (await (await answering(t, { publicUrl: 'http://ex10.example' }))('/text', https)).headers)
})
