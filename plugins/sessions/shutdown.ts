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
    const isOver = (id: string) => !kept.has(id)
    const readers = app.channels.to(isOver)
    if (readers.length === 0) return
    app.log.info(kindsOf(readers), 'waiting for readers of ended sessions')
    await app.channels.closed(isOver, AbortSignal.timeout(FAREWELL_MS))
    const left = app.channels.to(isOver)
    if (left.length > 0) app.log.info({ ...kindsOf(left), waitedMs: FAREWELL_MS }, 'readers did not close their connections')
  })
}

function kindsOf (channels: { type: string }[]): Record<string, number> {
  return Object.fromEntries(['viewer', 'events'].map(type => [type, channels.filter(channel => channel.type === type).length]))
}

export default fp(shutdown, { name: 'shutdown', dependencies: ['channels', 'creations', 'reconciler', 'sessions'] })
