import t, { type Test } from 'tap'
import metrics from '#plugins/operations/metrics.ts'
import sessionMetrics from '#plugins/operations/session-metrics.ts'
import work from '#plugins/operations/work.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { bareApp } from '#support/bare-app.ts'
import { samplesOf } from '#support/operations/samples.ts'

const [ONE, OTHER] = ['a'.repeat(32), 'b'.repeat(32)]

/** A function stands in for the plugin `events`. */
async function withMetrics (t: Test) {
  let hear: (facts: SessionFacts, event: SessionEvent) => void = () => {}
  const app = await bareApp(t, [metrics, work, sessionMetrics], { standIns: { events: { observe: listener => { hear = listener } } } })
  const publish = (id: string, event: Partial<SessionEvent>) => hear({ id } as SessionFacts, event as SessionEvent)
  const value = async (sample: string) => samplesOf((await app.metrics.read()).text).get(sample)
  return { app, publish, value }
}

t.test('what is read when the metrics are, is what it is then; a value that cannot be read is left out, and the others stay', async t => {
  const { app, value } = await withMetrics(t)
  let length: number | undefined = 1
  app.metrics.own({ name: 'a_length', help: 'A length', type: 'gauge', read: () => length })
  app.metrics.own({ name: 'b_total', help: 'A sum', type: 'counter', labels: ['side'], read: () => [[{ side: 'left' }, 2], [{ side: 'right' }, undefined]] })
  app.metrics.own({ name: 'c_length', help: 'A broken one', type: 'gauge', read: () => { throw new Error('gone') } })
  t.strictSame([await value('a_length'), await value('b_total{side="left"}'), await value('b_total{side="right"}'), await value('c_length')], [1, 2, undefined, undefined])
  length = undefined
  t.equal(await value('a_length'), undefined)
})

t.test('a push is timed until its reload; one that a later push has overtaken is not', async t => {
  const { publish, value } = await withMetrics(t)
  const timed = () => value('ex10_push_reload_seconds_count')
  publish(ONE, { type: 'pushed', version: 1 })
  publish(OTHER, { type: 'reloaded', version: 1 })
  t.equal(await timed(), 0, 'of this session')
  publish(ONE, { type: 'reloaded', version: 1 })
  publish(ONE, { type: 'reloaded', version: 1 })
  t.equal(await timed(), 1, 'once')
  publish(ONE, { type: 'pushed', version: 2 })
  publish(ONE, { type: 'pushed', version: 3 })
  publish(ONE, { type: 'reloaded', version: 2 })
  t.equal(await timed(), 1)
  publish(ONE, { type: 'reloaded', version: 3 })
  publish(ONE, { type: 'pushed', version: 4 })
  publish(ONE, { type: 'ended', reason: 'deleted' })
  publish(ONE, { type: 'reloaded', version: 4 })
  t.equal(await timed(), 2)
  t.equal(await value('ex10_pushes_total'), 4)
})

t.test('creations and teardowns are counted by how they ended, and their steps by what they took', async t => {
  const { app, value } = await withMetrics(t)
  const over = (news: { ms: number } | { code: string }) => app.work.tell({ sessionId: ONE, work: 'creation', type: 'over', ...news })
  over({ ms: 1200 })
  over({ code: 'EX10_NO_DISK' })
  app.work.done(ONE, 'user', 20)
  app.work.done(ONE, 'queue', 4000)
  app.work.done(ONE, 'home', 10, Object.assign(new Error('full'), { code: 'ENOSPC' }))
  app.work.undone(ONE, 'user', 20)
  await app.work.tearDown(ONE, 'deleted', async () => {})
  await t.rejects(app.work.tearDown(ONE, 'deleted', async () => { throw failure('REGISTRY') }), { code: 'EX10_REGISTRY' })
  const expected: Record<string, number> = {
    'ex10_creations_total{result="ready"}': 1,
    'ex10_creations_total{result="EX10_NO_DISK"}': 1,
    ex10_creation_duration_seconds_sum: 1.2,
    'ex10_creation_step_duration_seconds_sum{step="user"}': 0.02,
    'ex10_creation_step_duration_seconds_count{step="home"}': 0,
    'ex10_creation_step_failures_total{step="home",code="EX10_NO_DISK"}': 1,
    ex10_queue_wait_seconds_sum: 4,
    'ex10_teardown_step_duration_seconds_count{step="user"}': 1,
    ex10_teardown_duration_seconds_count: 1,
    ex10_teardown_failures_total: 1
  }
  for (const [sample, number] of Object.entries(expected)) t.equal(await value(sample), number, sample)
})

t.test('a listener that fails does not disturb the work', async t => {
  const { app } = await withMetrics(t)
  app.work.observe(() => { throw new Error('no') })
  await app.work.tearDown(ONE, 'deleted', async () => {})
})
