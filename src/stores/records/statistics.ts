import { createHash } from 'node:crypto'
import type { Turns } from '#domain/concurrency/turns.ts'
import { KEPT_DAYS, type Day, type StatisticsStore } from '#domain/operations/statistics-store.ts'
import type { Records } from '#domain/storage/records.ts'

const PARTITION = 'statistics/all'
const DAY_MS = 86_400_000

const dayKey = (day: string) => `day/${day}`
const hashOf = (user: string) => createHash('sha256').update(user).digest('hex')
/** Notes that the user was counted on this day. */
const userKey = (day: string, user: string) => `user/${day}/${hashOf(user)}`

/** Counts sessions by day. Each count waits for the one before. */
export function statisticsIn (records: Records, turns: Turns): Omit<StatisticsStore, 'close'> {
  return {
    count: (what, user, atOnce, now = new Date()) => turns.write(['days'], async () => {
      const day = now.toISOString().slice(0, 10)
      const inDays = (days: number) => new Date(Date.now() + days * DAY_MS)
      for (;;) {
        const found = await records.get<Day>(PARTITION, dayKey(day))
        const isNew = what === 'created' && await records.get(PARTITION, userKey(day, user)) === undefined
        const counts = found?.value ?? { day, created: 0, failed: 0, ended: 0, peak: 0, users: 0 }
        const value = { ...counts, [what]: counts[what] + 1, peak: Math.max(counts.peak, atOnce), users: counts.users + Number(isNew) }
        const isWritten = await records.write(PARTITION, [
          { key: dayKey(day), value, ifRevision: found?.revision ?? 0, expiresAt: inDays(KEPT_DAYS) },
          ...isNew ? [{ key: userKey(day, user), value: null, expiresAt: inDays(2) }] : []
        ])
        if (isWritten) return
      }
    }),
    forget: whom => turns.write(['days'], async () => {
      const names = (await records.list(PARTITION, { prefix: 'user/' })).map(({ key }) => key)
      const [isOf, isBefore] = 'user' in whom ? [hashOf(whom.user), ''] : ['none', `user/${whom.before}`]
      const forgotten = names.filter(key => key.endsWith(`/${isOf}`) || key < isBefore)
      if (forgotten.length > 0) await records.write(PARTITION, forgotten.map(key => ({ key })))
      return forgotten.length
    }),
    days: limit => turns.read('days', async () => (await records.list<Day>(PARTITION, { prefix: dayKey(''), newestFirst: true, limit })).map(({ value }) => value))
  }
}
