import t from 'tap'
import { close, countCall, countEvent, countView, durationOf, measure, newAnalytics } from '#domain/operations/analytics.ts'
import { mark, newTimeline } from '#domain/operations/timeline.ts'
import { factsOf } from '#support/facts.ts'

const AT = new Date('2026-01-01T00:00:00Z')
const moment = (seconds: number, bootId = 'boot', wallSeconds = seconds) => ({ wall: new Date(AT.getTime() + wallSeconds * 1000), bootId, uptimeMs: seconds * 1000 })
const fresh = () => newAnalytics(factsOf('a'), moment(0))
const event = (type: 'pushed' | 'reloaded' | 'problem' | 'adopted', fields: object = {}) => ({ at: AT.toISOString(), type, message: '', ...fields })

t.test('a kernel\'s counter counts once, however many servers read it, and goes on after it began again', t => {
  const of = fresh()
  for (const cpuSeconds of [1, 1, 3]) measure(of, { cpuSeconds })
  t.equal(of.cpuSeconds.total, 3)
  const later = JSON.parse(JSON.stringify(of))
  measure(later, { cpuSeconds: 5, sentBytes: 100 })
  t.equal(later.cpuSeconds.total, 5, 'the next server reads the same counter')
  measure(later, { cpuSeconds: 2, sentBytes: 30 })
  t.strictSame([later.cpuSeconds.total, later.sentBytes.total], [7, 130], 'a counter that fell has begun again from 0')
  measure(later, {})
  t.strictSame([later.cpuSeconds.total, later.sentBytes.total], [7, 130], 'no counter changes nothing')
  measure(later, { memoryPeakBytes: 10 })
  measure(later, { memoryPeakBytes: 5 })
  t.equal(later.memoryPeakBytes, 10)
  t.end()
})

t.test('the duration is the machine\'s, whatever its clock is set to', t => {
  const of = fresh()
  t.equal(durationOf(of, moment(60, 'boot', -3600)), 60_000, 'the clock was set back by an hour')
  close(of, { at: '', state: 'ended', reason: 'deleted' }, moment(60, 'boot', 86_400))
  t.equal(durationOf(of, moment(600)), 60_000, 'and after the end it stays')
  t.end()
})

t.test('events count by their kind, and those that say nothing about use count for nothing', t => {
  const of = fresh()
  t.ok(countEvent(of, event('pushed', { files: 3 }), 0))
  for (const ms of [100, 300]) t.ok(countEvent(of, event('reloaded', { ms }), 0))
  t.ok(countEvent(of, event('adopted'), 0))
  t.notOk(countEvent(of, event('problem'), 0))
  t.match(of, { pushes: 1, files: 3, reloads: { count: 2, totalMs: 400, maxMs: 300, lastMs: 300 }, servers: 2 })
  t.end()
})

t.test('viewers are told apart without their names, 256 at most', t => {
  const of = fresh()
  for (const who of ['anna', 'ben', 'anna']) countView(of, who, 1, 0)
  t.match(of, { views: 3, viewers: { length: 2 }, viewersAtOnce: 1 })
  t.notMatch(JSON.stringify(of.viewers), /anna|ben/)
  for (let i = 0; i < 300; i++) countView(of, `viewer ${i}`, 2, 0)
  t.match(of, { views: 303, viewers: { length: 256 }, viewersAtOnce: 2 })
  t.end()
})

t.test('a timeline has 60 parts at most, in which nothing is lost', t => {
  const timeline = newTimeline()
  const HOURS = 50
  for (let minute = 0; minute < HOURS * 60; minute++) mark(timeline, minute % 3 === 0 ? 'pushes' : 'calls', minute * 60_000)
  t.ok(timeline.rows.length <= 60)
  t.equal(timeline.partMs, 64 * 60_000)
  t.equal(timeline.rows.reduce((sum, [, ...counts]) => sum + counts.reduce((a, b) => a + b), 0), HOURS * 60)
  t.strictSame(timeline.rows.map(([part]) => part), timeline.rows.map((_, index) => index), 'in order')
  const of = fresh()
  countCall(of, true, -5)
  t.match(of, { calls: 1, refusedCalls: 1, timeline: { rows: [[0, 1]] } }, 'a clock that stands still counts in the first part')
  t.end()
})
