import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { NOTED_OF_OTHERS } from '#domain/operations/audit-log.ts'
import type { Session } from '#domain/session.ts'
import { errors } from '#schemas/common.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The session that the route is about, as it was when the request arrived; not set on routes whose config names none. */
    session: Session
  }
  interface FastifyContextConfig {
    /**
     * The route is about one session, by the `id` in its path or the `sessionId` in its body. `known`: the session has not
     * ended, and the principal is its user or an admin. `ready`: it also takes code and viewers. Otherwise the request is
     * refused before the handler.
     */
    session?: 'known' | 'ready'
    /** The request counts as a use of the session, so that it is not idle. Long work uses `expiry.during` instead. */
    counts?: 'use'
  }
}

/** Does before each handler what the route's config says about its session: finds it, notes the action, counts the use. */
async function routeSessions (app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', route => {
    const { session } = route.config ?? {}
    if (!session || !route.schema || route.schema.hide) return
    const refusals = session === 'ready' ? errors(404, 409) : errors(404)
    route.schema = { ...route.schema, response: { ...refusals, ...route.schema.response as object } }
  })

  app.decorateRequest('session')
  app.addHook('preHandler', async request => {
    const { session, counts, noted } = request.routeOptions.config
    if (!session) return
    request.session = session === 'ready' ? app.rights.readySession(request.principal, idOf(request)) : app.rights.session(request.principal, idOf(request))
    const { id, owner } = request.session
    if (noted && NOTED_OF_OTHERS.includes(noted) && owner !== request.principal.user) await request.note({ target: id, details: { owner } })
    if (counts) app.expiry.saw(id)
  })
}

function idOf ({ params, body }: FastifyRequest): string {
  const { id } = params as { id?: string }
  return id ?? (body as { sessionId: string }).sessionId // the schema requires it
}

export default fp(routeSessions, { name: 'route-sessions', dependencies: ['expiry', 'audit-log', 'rights'] })
