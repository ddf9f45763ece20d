import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'

/** How long the readers of the last events have for reading them. */
const FAREWELL_MS = 2000

/**
 * The end of the server: sessions end while connections are still open, so that the readers of their events and the open
 * pages hear why. Registered after the plugins that keep making sessions, which stop first.
 */
async function shutdown (app: FastifyInstance): Promise<void> {
  app.addHook('preClose', async () => {
    await app.sessions.shutDown()
    const kept = new Set(app.sessions.list().map(({ id }) => id))
    await app.channels.closed(id => !kept.has(id), AbortSignal.timeout(FAREWELL_MS))
  })
}

export default fp(shutdown, { name: 'shutdown', dependencies: ['channels', 'creations', 'reconciler', 'sessions'] })
