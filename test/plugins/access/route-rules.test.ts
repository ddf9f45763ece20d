import Fastify, { type RouteOptions } from 'fastify'
import t from 'tap'
import routeRules from '#plugins/access/route-rules.ts'
import { errors } from '#schemas/common.ts'

type Route = Pick<RouteOptions, 'method' | 'config' | 'schema'>

/** The statuses that the schema of such a route has in the end. */
async function statusesOf ({ method, config, schema = {} }: Route): Promise<number[]> {
  const app = Fastify()
  await app.register(routeRules)
  const statuses: number[] = []
  app.addHook('onRoute', route => { statuses.push(...Object.keys(route.schema?.response ?? {}).map(Number)) })
  app.route({ method, url: '/thing', config: config ?? {}, schema, exposeHeadRoute: false, handler: async () => 'done' })
  await app.ready()
  return statuses
}

t.test('a route that does not say who may use it keeps the server from starting, and is named', async t => {
  for (const config of [undefined, {}]) {
    const app = Fastify()
    await app.register(routeRules)
    app.register(async app => { app.get('/things/:id', { ...(config && { config }) }, async () => 'done') })
    await t.rejects(async () => { await app.ready() }, { message: /^GET \/things\/:id says no scope/ })
  }
})

t.test('a library\'s routes have the scope of the context that they are registered in', async t => {
  const app = Fastify()
  await app.register(routeRules)
  const scopes: unknown[] = []
  await app.register(async library => {
    library.decorate('defaultScope', 'everybody')
    library.addHook('onRoute', ({ url, config }) => { scopes.push(`${url} ${config?.scope}`) })
    await library.register(async inner => { inner.get('/a', async () => 'a') })
    library.get('/b', { config: { scope: 'admin' } }, async () => 'b')
  })
  await app.ready()
  t.strictSame([...new Set(scopes)], ['/a everybody', '/b admin'])
})

t.test('what a route refuses by its scope is in its schema, beside what it says itself', async t => {
  for (const scope of ['view', 'create', 'push', 'admin', 'any'] as const) {
    t.strictSame(await statusesOf({ method: 'GET', config: { scope } }), [401, 403, 421], scope)
  }
  t.strictSame(await statusesOf({ method: 'DELETE', config: { scope: 'view' }, schema: { response: errors(404, 500) } }), [401, 403, 404, 421, 500])
  t.strictSame(await statusesOf({ method: 'GET', config: { scope: 'everybody' } }), [421], 'a foreign host name is refused on every route')
  t.strictSame(await statusesOf({ method: 'POST', config: { scope: 'everybody' } }), [403, 421], 'and a page of another site wherever something changes')
  t.strictSame(await statusesOf({ method: 'GET', config: { scope: 'everybody', changesState: true } }), [403, 421])
  t.strictSame(await statusesOf({ method: 'GET', config: { scope: 'view' }, schema: { hide: true } }), [], 'what is not in the document says nothing')
})
