import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionEvent } from '#domain/live/event.ts'

/** Tells every session what happens to the server that it depends on: the firewall's rules, the store. */
async function alarms (app: FastifyInstance): Promise<void> {
  app.firewall.onAlarm((state, message) => tellAll({ type: `firewall-${state}`, message }))
  app.storeLink.onChange((change, message) => tellAll({ type: `store-${change}`, message }))

  function tellAll (event: Omit<SessionEvent, 'at'>): void {
    for (const session of app.sessions.list()) app.events.publish(session, event)
  }
}

export default fp(alarms, { name: 'alarms', dependencies: ['events', 'firewall', 'sessions', 'store-link'] })
