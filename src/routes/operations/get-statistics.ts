import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Session } from '#domain/session.ts'
import { Statistics, StatisticsQuery } from '#schemas/admin.ts'
import { errors } from '#schemas/common.ts'

const IDLE_MS = 300_000

/** GET /admin/stats */
const getStatistics: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/stats', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getStatistics',
      summary: 'Counts sessions: now, since the server was started, and by day',
      description: 'Days without an event are left out. The counts since the start begin with zero at each start of the server.',
      tags: ['administration'],
      querystring: StatisticsQuery,
      response: { 200: Statistics, ...errors(400) }
    }
  }, async ({ query: { days = 30 } }) => {
    const sessions = app.sessions.list()
    const inState = (state: Session['state']) => sessions.filter(session => session.state === state)
    const { startedAt, ...sinceStart } = app.statistics.sinceStart()
    return {
      now: {
        total: sessions.length,
        authenticated: sessions.filter(({ isAuthenticated }) => isAuthenticated).length,
        users: new Set(sessions.map(({ owner }) => owner)).size,
        idle: inState('ready').filter(({ id }) => (app.expiry.show(id)?.idleMs ?? 0) >= IDLE_MS).length,
        queued: app.places.waiting.length,
        byState: { creating: inState('creating').length, ready: inState('ready').length, stopping: inState('stopping').length }
      },
      sinceStart: { startedAt: startedAt.toISOString(), ...sinceStart },
      days: await app.statistics.days(days)
    }
  })
}

export default getStatistics
