import type { Day, StatisticsStore } from '#domain/operations/statistics-store.ts'

export async function openStatistics (): Promise<StatisticsStore> {
  const days = new Map<string, { counts: Omit<Day, 'users'>, users: Set<string> }>()

  return {
    async count (what, user, atOnce, now = new Date()) {
      const day = now.toISOString().slice(0, 10)
      const { counts, users } = days.get(day) ?? { counts: { day, created: 0, failed: 0, ended: 0, peak: 0 }, users: new Set<string>() }
      days.set(day, { counts, users })
      counts[what]++
      counts.peak = Math.max(counts.peak, atOnce)
      if (what === 'created') users.add(user)
    },
    async days (limit) {
      const all = [...days.values()].map(({ counts, users }) => ({ ...counts, users: users.size }))
      return all.sort((a, b) => a.day < b.day ? 1 : -1).slice(0, limit)
    },
    async close () {}
  }
}
