import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { watchClock, type ClockWatch } from '#domain/memory/trusted-clock.ts'
import { DayIndex, readKey } from '#domain/storage/day-index.ts'
import { momentNow } from '#system/kernel/boot-time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Removes what is kept of ended sessions when EX10_RETENTION_DAYS are over: the one place where that is done. */
    retention: {
      /** Adds a kind of things, by the index of its sessions. `remove` removes all of that kind that is kept of one session, its entry in the index last. */
      add (kind: string, index: DayIndex<any>, remove: (id: string, owner: string | undefined) => Promise<void>): void
      /** Removes what is due, and resolves with the number of sessions of each kind. Errors are logged, and the rest goes on. */
      sweep (): Promise<Record<string, number>>
    }
  }
}

interface Kind { index: DayIndex<any>, remove: (id: string, owner: string | undefined) => Promise<void> }

const SWEEP_MS = 3_600_000
const DAY_MS = 86_400_000
const [PARTITION, WATCH] = ['retention/clock', 'watch']

async function retention (app: FastifyInstance): Promise<void> {
  const { retentionDays } = app.config
  const log = app.log.child({ plugin: 'retention' })
  const kinds = new Map<string, Kind>([['analytics', { index: app.summaries.index, remove: app.summaries.forget }]])
  const closing = new AbortController()
  let sweeping: Promise<unknown> = Promise.resolve()

  app.decorate('retention', {
    add (kind, index, remove) { kinds.set(kind, { index, remove }) },
    sweep
  } satisfies FastifyInstance['retention'])
  app.addHook('onReady', async () => {
    const sweepOrLog = () => sweep().catch(err => log.error({ err }, 'nothing removed: the clock could not be compared'))
    sweeping = sweepOrLog().then(() => every(SWEEP_MS, sweepOrLog, closing.signal))
  })
  app.addHook('preClose', async () => {
    closing.abort()
    await sweeping
  })

  async function sweep (): Promise<Record<string, number>> {
    const removed: Record<string, number> = {}
    if (!await isClockTrusted()) return removed
    for (const [kind, { index, remove }] of kinds) {
      const due = await dueOf(index).catch(err => {
        log.error({ err, kind }, 'old things not looked for: the next sweep tries again')
        return []
      })
      let failed = 0
      for (const { day, key } of due) {
        if (closing.signal.aborted) return removed
        const { id } = readKey(key)
        try {
          await remove(id, await index.ownerOf(id))
          await index.removeKeys(day, [key]) // of an erased user, there is only this
          removed[kind] = (removed[kind] ?? 0) + 1
        } catch (err) {
          failed++
          log.error({ err, kind, sessionId: id }, 'not removed, although it is older than EX10_RETENTION_DAYS: the next sweep tries again')
        }
      }
      for (const day of new Set(due.map(({ day }) => day))) await index.closeDay(day).catch(err => log.warn({ err, kind, day }, 'empty day not removed'))
      if (due.length > 0) log.info({ kind, removed: removed[kind] ?? 0, failed, retentionDays }, 'removed what was older than EX10_RETENTION_DAYS')
    }
    const names = await app.statistics.forget({ before: new Date(Date.now() - retentionDays * DAY_MS).toISOString().slice(0, 10) }).catch(err => {
      log.error({ err }, 'names in the statistics not forgotten: the next sweep tries again')
      return 0
    })
    if (names > 0) log.info({ names }, 'forgot the names in the statistics of days before EX10_RETENTION_DAYS')
    return removed
  }

  /** The entries that are too old. Those from the future were made while the clock was wrong: they count from today. */
  async function dueOf (index: DayIndex<unknown>): Promise<{ day: string, key: string }[]> {
    const now = Date.now()
    const cutoff = new Date(now - retentionDays * DAY_MS).toISOString()
    const due: { day: string, key: string }[] = []
    for (const day of await index.days()) {
      if (day > new Date(now + DAY_MS).toISOString().slice(0, 10)) await index.redate(day, new Date(now).toISOString())
      if (day > cutoff.slice(0, 10)) continue
      for await (const { key } of index.of(day)) if (readKey(key).at <= cutoff) due.push({ day, key })
    }
    return due
  }

  async function isClockTrusted (): Promise<boolean> {
    const before = (await app.records.get<ClockWatch>(PARTITION, WATCH))?.value
    const now = watchClock(before, momentNow())
    await app.records.write(PARTITION, [{ key: WATCH, value: now }])
    if (now.waitMs === 0) return true
    log.warn({ hours: Math.round(now.waitMs / 360_000) / 10 }, 'the machine\'s clock was set, or the machine was off: nothing is removed for so many hours; put the clock right if it is wrong')
    return false
  }
}

export default fp(retention, { name: 'retention', dependencies: ['config', 'statistics', 'storage', 'summaries'] })
