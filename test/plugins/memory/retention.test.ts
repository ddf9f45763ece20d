import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { DayIndex } from '#domain/storage/day-index.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import retention from '#plugins/memory/retention.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import { momentNow } from '#system/kernel/boot-time.ts'
import { bareApp } from '#support/bare-app.ts'

const DAY_MS = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()

/** The plugin, with an index of sessions that ended so many days ago; `left` are those that are still there. */
async function withSessions (t: Test, ages: Record<string, number>, refuse: (id: string) => boolean = () => false) {
  const records = new Records(await memoryStores().openRecords(), UNSEALED)
  const index = new DayIndex<string>(records, 'things')
  for (const [id, days] of Object.entries(ages)) await records.writeEach(index.adding({ id, owner: 'anna', at: ago(days), value: id }))
  const removed: string[] = []
  const ready = async () => {
    const app = await bareApp(t, [fp(async app => { app.decorate('records', records) }, { name: 'storage' }), retention], {
      settings: { retentionDays: 30 },
      standIns: {
        statistics: { forget: async () => 0 },
        summaries: {
          index: index as DayIndex<never>,
          async forget (id, owner) {
            if (refuse(id)) throw new Error('refused')
            removed.push(`${id} of ${owner}`)
            await index.remove(id)
          }
        }
      }
    })
    await app.ready()
    return app
  }
  const left = async () => {
    const all: string[] = []
    for (const day of await index.days()) for await (const { value } of index.of(day)) all.push(value)
    return all
  }
  return { records, index, removed, ready, left }
}

t.test('what is older than EX10_RETENTION_DAYS goes, and nothing else', async t => {
  const { index, removed, ready, left } = await withSessions(t, { old: 31, older: 400, young: 29, now: 0 })
  const app = await ready()
  await app.retention.sweep()
  t.strictSame(removed.toSorted(), ['old of anna', 'older of anna'])
  t.strictSame(await left(), ['young', 'now'])
  t.equal((await index.days()).length, 2, 'days without a session are gone')
  t.strictSame(await app.retention.sweep(), {})
})

t.test('one that cannot be removed keeps no other, and is tried again', async t => {
  let isBroken = true
  const { removed, ready, left } = await withSessions(t, { bad: 50, good: 40 }, id => isBroken && id === 'bad')
  const app = await ready()
  await app.retention.sweep()
  t.strictSame(await left(), ['bad'])
  isBroken = false
  t.strictSame(await app.retention.sweep(), { analytics: 1 })
  t.strictSame(removed, ['good of anna', 'bad of anna'])
})

t.test('a clock that was set ahead removes nothing, and a session that ended in the future counts from today', async t => {
  const { records, index, ready, left } = await withSessions(t, { old: 31, future: -900 })
  const { wall, bootId, uptimeMs } = momentNow()
  await records.write('retention/clock', [{ key: 'watch', value: { wall: new Date(wall.getTime() - 40 * DAY_MS).toISOString(), bootId, uptimeMs: uptimeMs - 60_000, waitMs: 0 } }])
  const app = await ready()
  t.strictSame(await app.retention.sweep(), {})
  t.strictSame((await left()).toSorted(), ['future', 'old'])
  await records.drop('retention/clock')
  await app.retention.sweep()
  t.strictSame(await left(), ['future'])
  t.strictSame(await index.days(), [ago(0).slice(0, 10)], 'and will go in 30 days, not in 930')
  t.equal(await index.ownerOf('future'), 'anna')
})
