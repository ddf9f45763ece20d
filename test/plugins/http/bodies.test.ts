import t from 'tap'
import bodies from '#plugins/http/bodies.ts'
import { bareApp } from '#support/bare-app.ts'

t.test('a body that is compressed is refused, whether it is kept or streamed: the server would take it for what it is not', async t => {
  const app = await bareApp(t, [bodies])
  app.post('/kept', async ({ body }) => ({ body }))
  app.register(async app => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => { payload.resume(); done(null) })
    app.post('/streamed', { config: { streamsBody: true } }, async () => ({}))
  })
  const post = (url: string, headers: Record<string, string>, payload = '{"a":1}') => app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json', ...headers }, payload })
  for (const url of ['/kept', '/streamed']) {
    for (const coding of ['gzip', 'br', 'gzip, identity']) {
      const answer = await post(url, { 'content-encoding': coding })
      t.match(answer, { statusCode: 415, headers: { 'accept-encoding': 'identity' } }, `${url} ${coding}`)
      t.match(answer.json(), { code: 'EX10_UNSUPPORTED_ENCODING', message: /without content-encoding/ })
    }
    t.equal((await post(url, { 'content-encoding': 'identity' })).statusCode, 200)
  }
  t.equal((await post('/kept', { 'content-encoding': 'gzip' }, '')).statusCode, 200, 'no body has no encoding')
})
