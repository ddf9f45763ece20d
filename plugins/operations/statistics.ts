import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Counted, Day, StatisticsStore } from '#domain/operations/statistics-store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Counts of sessions. */
    statistics: {
      /** The counts since this server started. */
      sinceStart (): Omit<Day, 'day'> & { startedAt: Date }
      /** The counts of each day, newest first, including those of earlier servers. */
      days (limit: number): Promise<Day[]>
      /** As `StatisticsStore.forget`. */
      forget: StatisticsStore['forget']
    }
  }
}

async function statistics (app: FastifyInstance): Promise<void> {
  const store = await app.instance.stores.openStatistics()
  const startedAt = new Date()
  const counts: Record<Counted, number> = { created: 0, failed: 0, ended: 0 }
  const users = new Set<string>()
  let peak = 0

  app.events.observe(({ owner }, { type }) => {
    peak = Math.max(peak, app.places.held.length)
    if (type === 'ready') count('created', owner)
    if (type === 'ended' || type === 'failed') count(type, owner)
  })
  app.addHook('onClose', () => store.close())

  app.decorate('statistics', {
    sinceStart: () => ({ startedAt, ...counts, users: users.size, peak }),
    days: store.days,
    forget: store.forget
  } satisfies FastifyInstance['statistics'])

  function count (what: Counted, user: string): void {
    counts[what]++
    if (what === 'created') users.add(user)
    // a full disk must not keep sessions from being made or ended
    store.count(what, user, app.places.held.length).catch(err => app.log.warn({ err }, 'statistics write failed'))
  }
}

export default fp(statistics, { name: 'statistics', dependencies: ['events', 'places', 'instance'] })
