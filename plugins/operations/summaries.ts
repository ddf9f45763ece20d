import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { analyticsOf, SUMMARIES, type Summary } from '#domain/operations/ended-sessions.ts'
import { PERIODS, UsageCount, type Period, type UsageReport } from '#domain/operations/usage-report.ts'
import { DayIndex } from '#domain/storage/day-index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The summaries of ended sessions. */
    summaries: {
      index: DayIndex<Summary>
      /** Forgets a session's summary and analytics. */
      forget (id: string, owner: string | undefined): Promise<void>
      /** Sums over the sessions of the period that ends now. */
      report (period: Period): Promise<UsageReport>
    }
  }
}

async function summaries (app: FastifyInstance): Promise<void> {
  const index = new DayIndex<Summary>(app.records, SUMMARIES)

  app.decorate('summaries', {
    index,
    async forget (id, owner) {
      if (owner !== undefined) await app.records.write(analyticsOf(owner), [{ key: id }])
      await index.remove(id)
    },
    async report (period) {
      await app.analytics.save()
      const to = Date.now()
      const from = to - PERIODS[period]
      const count = new UsageCount(from, to)
      for (const day of await index.days()) {
        if (day < dayOf(from) || day > dayOf(to)) continue
        for await (const { value } of index.of(day)) count.addEnded(value)
      }
      for (const { state, owner, template, createdAt } of app.registry.live()) if (state !== 'creating') count.addLive({ owner, template, begunAt: createdAt.getTime() })
      return count.report()
    }
  } satisfies FastifyInstance['summaries'])
}

function dayOf (time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

export default fp(summaries, { name: 'summaries', dependencies: ['analytics', 'registry', 'storage'] })
