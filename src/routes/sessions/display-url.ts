import type { FastifyInstance, FastifyRequest } from 'fastify'
import { mayDo } from '#domain/principal.ts'

/** The caller's `displayUrl` of the session, for answers; empty unless the caller may view it and it is ready. */
export function displayUrlOf (app: FastifyInstance, request: FastifyRequest, sessionId: string): { displayUrl?: string } {
  const { principal, credential } = request
  if (!mayDo(principal, 'view') || app.registry.get(sessionId)?.state !== 'ready') return {}
  return { displayUrl: app.publicAddress.url(`/session/${sessionId}/display?token=${app.displayUrls.issue(sessionId, { user: principal.user, credential })}`, request) }
}
