import fp from 'fastify-plugin'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { isChange } from '#domain/http/origins.ts'
import type { Scope } from '#domain/principal.ts'
import { errors } from '#schemas/common.ts'

type RouteScope = Scope | 'any' | 'everybody'

declare module 'fastify' {
  interface FastifyInstance {
    /** The scope of the routes that a library registers in this context, since it cannot set it in their config. */
    defaultScope?: RouteScope
  }
  interface FastifyContextConfig {
    /** The scope that a credential needs for this route. With `any`, every credential will do; `everybody` needs none. The server does not start with a route without a scope. */
    scope?: RouteScope
  }
}

/** Requires a scope of every route, and adds the refusals that follow from it to the route's schema. */
async function routeRules (app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', function (route) {
    const scope = route.config?.scope ?? this.defaultScope
    if (!scope) throw new Error(`${route.method} ${route.url} says no scope: its config must name who may use it`)
    route.config = { ...route.config, scope }
    if (!route.schema || route.schema.hide) return
    route.schema = { ...route.schema, response: { ...errors(...refusalsOf(route, scope)), ...route.schema.response as object } }
  })
}

/** Every route refuses an unknown host; a route that changes something also refuses a page of another site. */
function refusalsOf ({ method, config }: RouteOptions, scope: RouteScope): number[] {
  if (scope !== 'everybody') return [401, 403, 421]
  return [method].flat().some(method => isChange(method, config)) ? [403, 421] : [421]
}

export default fp(routeRules, { name: 'route-rules' })
