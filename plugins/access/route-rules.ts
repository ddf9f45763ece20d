import fp from 'fastify-plugin'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { isChange } from '#domain/http/origins.ts'
import type { Scope } from '#domain/principal.ts'
import { errors } from '#schemas/common.ts'

type RouteScope = Scope | 'any' | 'everybody'

declare module 'fastify' {
  interface FastifyInstance {
    /** The scope of the routes that a library registers in this context: they cannot say it themselves. */
    defaultScope?: RouteScope
  }
  interface FastifyContextConfig {
    /** What a credential must be good for, to use the route. `any` is good for something, `everybody` needs none. A route without a scope does not start. */
    scope?: RouteScope
    /** No cache keeps what the route answers. */
    noStore?: boolean
  }
}

/** Every route says who may use it. The refusals that follow from that are in its schema. */
async function routeRules (app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', function (route) {
    const scope = route.config?.scope ?? this.defaultScope
    if (!scope) throw new Error(`${route.method} ${route.url} says no scope: its config must name who may use it`)
    route.config = { ...route.config, scope }
    if (!route.schema || route.schema.hide) return
    route.schema = { ...route.schema, response: { ...errors(...refusalsOf(route, scope)), ...route.schema.response as object } }
  })

  app.addHook('preHandler', async (request, reply) => {
    if (request.routeOptions.config.noStore) reply.header('cache-control', 'no-store')
  })
}

/** An unknown host is refused everywhere, and a page of another site where something changes. */
function refusalsOf ({ method, config }: RouteOptions, scope: RouteScope): number[] {
  if (scope !== 'everybody') return [401, 403, 421]
  return [method].flat().some(method => isChange(method, config)) ? [403, 421] : [421]
}

export default fp(routeRules, { name: 'route-rules' })
