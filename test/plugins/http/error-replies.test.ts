import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { failure } from '#errors.ts'
import { bareApp } from '#support/bare-app.ts'

/** A route that fails as it is told; `bareApp` has the plugin. */
async function failing (t: Test) {
  const app = await bareApp(t, [])
  app.get('/sqlite', () => { throw Object.assign(new Error('database is locked: /var/lib/x/registry.db'), { errcode: 5 }) })
  app.get('/disk', () => { throw new Error('it cannot be kept', { cause: Object.assign(new Error('ENOSPC: /secret/path'), { code: 'ENOSPC' }) }) })
  app.get('/bug', () => { throw new TypeError('/secret/path is undefined') })
  app.get('/refused', () => { throw failure('FORBIDDEN', { details: { scope: 'push' } }) })
  app.get('/busy', () => { throw failure('TOO_MANY_SESSIONS', { retryAfterSeconds: 7 }) })
  app.post('/body', { schema: { body: Type.Object({ width: Type.Integer(), nested: Type.Optional(Type.Object({ name: Type.String() })) }, { additionalProperties: false }) } }, async () => 'taken')
  const File = Type.Object({ path: Type.String() })
  app.post('/forms', { schema: { body: Type.Union([File, Type.Object({ files: Type.Array(File) })]) } }, async () => 'taken')
  app.get('/states', { schema: { querystring: Type.Object({ state: Type.Union([Type.Literal('creating'), Type.Literal('ready')]) }) } }, async () => 'taken')
  return app
}

t.test('every error has the one form: a code, a message, and its status', async t => {
  const app = await failing(t)
  const answer = await app.inject('/refused')
  t.equal(answer.statusCode, 403)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.match(answer.json(), { success: false, code: 'EX10_FORBIDDEN', message: /scope/, statusCode: 403, details: { scope: 'push' } })
  t.match((await app.inject('/nothing')).json(), { success: false, code: 'EX10_NOT_FOUND', statusCode: 404 })
})

t.test('an error that passes tells when to come again', async t => {
  const app = await failing(t)
  t.match(await app.inject('/busy'), { statusCode: 503, headers: { 'retry-after': '7' } })
  t.notOk('retry-after' in (await app.inject('/refused')).headers)
})

t.test('no answer holds anything internal: a bug is shown as having happened, a full disk and a locked database as what they are', async t => {
  const app = await failing(t)
  for (const [url, code, statusCode] of [['/bug', 'EX10_INTERNAL', 500], ['/disk', 'EX10_NO_DISK', 507], ['/sqlite', 'EX10_REGISTRY', 503]] as const) {
    const answer = await app.inject(url)
    t.match(answer.json(), { code, statusCode }, url)
    t.notMatch(answer.body, /secret|\/var|undefined/, url)
  }
})

t.test('a request that is not valid is told which field is wrong, and where', async t => {
  const app = await failing(t)
  const post = async (body: object | string, url = '/body') => (await app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: typeof body === 'string' ? body : JSON.stringify(body) })).json()
  t.match(await post({}), { statusCode: 400, code: 'EX10_BAD_REQUEST', details: { in: 'body', field: 'width' } })
  t.match(await post({ width: 'x' }), { code: 'EX10_BAD_REQUEST', message: 'body.width must be integer', details: { field: 'width' } })
  t.match(await post({ width: 1, height: 2 }), { code: 'EX10_BAD_REQUEST', details: { field: 'height' } })
  t.match(await post({ width: 1, nested: {} }), { code: 'EX10_BAD_REQUEST', details: { field: 'nested.name' } })
  t.match(await post({ files: [{ path: 'a' }, {}] }, '/forms'), { code: 'EX10_BAD_REQUEST', details: { field: 'files.1.path' } }, 'of two forms, the one that was meant')
  t.match((await app.inject('/states?state=flying')).json(), { code: 'EX10_BAD_REQUEST', message: 'querystring.state must be one of creating, ready', details: { field: 'state' } })
  t.match(await post('{"width":'), { code: 'EX10_BAD_REQUEST', statusCode: 400 })
})

t.test('a wrong method is told the right ones, before its body is read; a path without any does not exist', async t => {
  const app = await failing(t)
  app.get('/items/:id', async () => 'item')
  app.delete('/items/:id', async () => 'gone')
  app.get('/quiet', { exposeHeadRoute: false }, async () => 'read')
  for (const [method, url, allow] of [
    ['PUT', '/items/1', ['DELETE', 'GET', 'HEAD']], ['PATCH', '/items/1?x', ['DELETE', 'GET', 'HEAD']], ['TRACE', '/items/1', ['DELETE', 'GET', 'HEAD']],
    ['HEAD', '/quiet', ['GET']], ['GET', '/body', ['POST']]
  ] as const) {
    const answer = await app.inject({ method: method as 'GET', url, ...(method === 'PUT' && { headers: { 'content-type': 'text/xml' }, payload: '<a/>' }) })
    t.match(answer, { statusCode: 405, headers: { allow: allow.join(', ') } }, `${method} ${url}`)
    if (method !== 'HEAD') t.match(answer.json(), { success: false, code: 'EX10_METHOD_NOT_ALLOWED', statusCode: 405, message: `This address takes no ${method}: use ${allow.join(', ')}`, details: { allow } })
  }
  const none = await app.inject({ method: 'POST', url: '/nothing', headers: { 'content-type': 'text/xml' }, payload: '<a/>' })
  t.match(none.json(), { code: 'EX10_NOT_FOUND', statusCode: 404 })
  t.notOk('allow' in none.headers)
})

t.test('a body of a wrong type, or of none, is told the types that the route takes', async t => {
  const app = await failing(t)
  app.post('/text', { schema: { consumes: ['text/plain'] } }, async () => 'taken')
  app.post('/either', { schema: { body: { content: { 'application/json': { schema: {} }, 'application/zip': { schema: {} } } } } }, async () => 'taken')
  for (const [url, type, accept, message] of [
    ['/body', 'text/xml', ['application/json'], /cannot be used here: send application\/json$/],
    ['/body', 'nonsense', ['application/json'], /cannot be used here/],
    ['/body', undefined, ['application/json'], /no content-type: send application\/json$/],
    ['/text', 'text/xml', ['text/plain'], /send text\/plain$/],
    ['/either', 'text/xml', ['application/json', 'application/zip'], /send application\/json or application\/zip$/]
  ] as const) {
    const answer = await app.inject({ method: 'POST', url, headers: { ...(type && { 'content-type': type }) }, payload: Buffer.from('{}') })
    t.match(answer, { statusCode: 415, headers: { accept: accept.join(', ') } }, `${url} ${type}`)
    t.match(answer.json(), { success: false, code: 'EX10_UNSUPPORTED_MEDIA_TYPE', statusCode: 415, message, details: { accept } })
  }
})

t.test('other refusals of the framework keep their status', async t => {
  const app = await failing(t)
  app.get('/file', () => { throw Object.assign(new Error('Range Not Satisfiable'), { statusCode: 416 }) })
  t.match((await app.inject('/file')).json(), { code: 'EX10_BAD_REQUEST', statusCode: 416, message: 'Range Not Satisfiable' })
})
