import { contract } from '#support/stores.ts'

const [first, second] = [new Date('2026-01-01T23:59:59.999Z'), new Date('2026-01-02T00:00:00Z')]

contract('openStatistics', 'sessions are counted by day, with how many users made them and the most at once', async (t, statistics) => {
  t.strictSame(await statistics.days(10), [])
  for (const [user, atOnce] of [['anna', 1], ['anna', 2], ['ben', 3]] as const) await statistics.count('created', user, atOnce, first)
  await statistics.count('failed', 'carl', 1, first)
  await statistics.count('ended', 'anna', 2, first)
  await statistics.count('ended', 'anna', 4, second)
  t.strictSame(await statistics.days(10), [
    { day: '2026-01-02', created: 0, failed: 0, ended: 1, peak: 4, users: 0 },
    { day: '2026-01-01', created: 3, failed: 1, ended: 1, peak: 3, users: 2 }
  ])
  t.strictSame((await statistics.days(1)).map(({ day }) => day), ['2026-01-02'])
})

contract('openStatistics', 'what happens at once is counted each time, also when nobody waits', async (t, statistics) => {
  const counted = Array.from({ length: 20 }, () => statistics.count('created', 'anna', 1, first))
  t.match(await statistics.days(1), [{ created: 20, users: 1 }])
  await Promise.all(counted)
})

contract('openStatistics', 'who was counted can be forgotten, and the counts stay', async (t, statistics) => {
  const [before, today] = [new Date(Date.now() - 86_400_000), new Date()]
  for (const [user, now] of [['anna', before], ['anna', today], ['ben', before], ['ben', today]] as const) await statistics.count('created', user, 1, now)
  const days = await statistics.days(10)
  t.equal(await statistics.forget({ user: 'anna' }), 2)
  t.equal(await statistics.forget({ user: 'anna' }), 0)
  t.equal(await statistics.forget({ before: today.toISOString().slice(0, 10) }), 1, 'ben, the day before')
  t.strictSame(await statistics.days(10), days)
  await statistics.count('created', 'ben', 1, today)
  t.equal((await statistics.days(1))[0]?.users, 2, 'ben is known today')
})
