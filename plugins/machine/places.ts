import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { limitsOf, Places } from '#domain/machine/places.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The sessions that have a place, and the creations that wait for one. */
    places: Places
  }
}

async function places (app: FastifyInstance): Promise<void> {
  const { slots, maxSessions, queueLength } = app.config
  const limits = limitsOf(app.config, app.config.auth !== 'none')
  const log = app.log.child({ plugin: 'places' })
  if (maxSessions > slots) log.warn({ maxSessions, slots }, 'EX10_MAX_SESSIONS is above EX10_SLOTS, which is the limit')
  if (Number.isFinite(limits.perUser) && limits.perUser > limits.total) log.warn(limits, 'EX10_MAX_SESSIONS_PER_USER is above the limit of all sessions')

  const kept = new Places(limits, queueLength)
  app.audit.own('place', () => kept.held, ({ id }) => [id])
  app.audit.own('forgotten turn', () => kept.waiting.filter(({ isAttended }) => !isAttended).map(({ id }) => `${id}, for which nobody waits`))
  app.decorate('places', kept)
}

export default fp(places, { name: 'places', dependencies: ['config', 'audit'] })
