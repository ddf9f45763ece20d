import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { knowsOf } from '#domain/principal.ts'
import { failure } from '#errors.ts'
import { SessionAnalytics } from '#schemas/analytics.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { viewAnalytics } from './analytics-view.ts'

/** GET /sessions/:id/analytics: also after the session's end, so the route does not find its session by its config. */
const getSessionAnalytics: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/analytics', {
    config: { scope: 'view' },
    schema: {
      operationId: 'getSessionAnalytics',
      summary: 'Shows what a session did and used, until now or until its end',
      description: 'For the owner and admins; after the end of the session for EX10_RETENTION_DAYS. Reading does not count as a use of the session.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: SessionAnalytics, ...errors(404, 409) }
    }
  }, async ({ principal, params: { id } }) => {
    if (!app.analytics.isOn) throw failure('TRACKING_OFF')
    const found = await app.analytics.find(id)
    if (!found) app.rights.readySession(principal, id) // tells of one that is being made
    if (!found || !knowsOf(principal, found.of)) throw failure('SESSION_NOT_FOUND')
    return viewAnalytics(found.of, found.durationMs, { costPerHour: app.config.costPerHour, isTrafficCounted: app.networkUsage.isCounted })
  })
}

export default getSessionAnalytics
