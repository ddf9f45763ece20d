import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'

/** The time that readers have for the last events. */
const FAREWELL_MS = 2000

/**
 * Shuts the server down: sessions end while connections are still open, so that readers of events and open pages receive
 * the reason. Registered after the plugins that make sessions, which stop first.
 */
async function shutdown (app: FastifyInstance): Promise<void> {
  app.addHook('preClose', async () => {
    await app.sessions.shutDown()
    const kept = new Set(app.sessions.list().map(({ id }) => id))
    await app.channels.closed(id => !kept.has(id), AbortSignal.timeout(FAREWELL_MS))
  })
}

export default fp(shutdown, { name: 'shutdown', dependencies: ['channels', 'creations', 'reconciler', 'sessions'] })
