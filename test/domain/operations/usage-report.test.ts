import t from 'tap'
import { csvOf } from '#domain/operations/csv.ts'
import type { Summary } from '#domain/operations/ended-sessions.ts'
import { UsageCount } from '#domain/operations/usage-report.ts'

const at = (seconds: number) => new Date(seconds * 1000).toISOString()
const ended = (begun: number, end: number, fields: Partial<Summary> = {}): Summary => ({ owner: 'anna', template: 'vanilla', begunAt: at(begun), endedAt: at(end), state: 'ended', reason: 'deleted', durationMs: (end - begun) * 1000, ...fields })

t.test('a report sums up the sessions that lived in its period', t => {
  const count = new UsageCount(100_000, 200_000)
  count.addEnded(ended(10, 50)) // before
  count.addEnded(ended(80, 120))
  count.addEnded(ended(110, 130, { owner: 'ben', reason: 'idle' }))
  count.addEnded(ended(130, 140, { template: 'react' }))
  count.addEnded(ended(120, 121, { state: 'failed', reason: 'EX10_STEP_TIMEOUT', owner: 'cleo' }))
  count.addEnded(ended(150, 160, { owner: undefined }))
  count.addEnded(ended(190, 250)) // after
  count.addLive({ owner: 'anna', template: 'vanilla', begunAt: 90_000 })
  const report = count.report()
  t.match(report, { active: 1, total: 6, ended: 4, failed: 1, users: 3, peak: 3, durations: { mean: 20, p50: 10, p95: 40 } })
  t.strictSame(report.failures, [{ reason: 'EX10_STEP_TIMEOUT', count: 1 }])
  t.strictSame(report.ends, [{ reason: 'deleted', count: 3 }, { reason: 'idle', count: 1 }])
  t.strictSame(report.byTemplate, [{ name: 'vanilla', sessions: 4, failed: 1, seconds: 20 + 20 + 10 + 100 }, { name: 'react', sessions: 1, failed: 0, seconds: 10 }])
  t.strictSame(report.byUser.map(({ name, sessions, failed }) => [name, sessions, failed]), [['anna', 3, 0], ['ben', 1, 0], ['cleo', 0, 1]], 'an erased user has no name')
  t.end()
})

t.test('sessions that follow one another are one at a time', t => {
  const count = new UsageCount(0, 1_000_000)
  for (const begun of [10, 20, 30]) count.addEnded(ended(begun, begun + 10))
  t.equal(count.report().peak, 1)
  t.strictSame(new UsageCount(0, 1000).report(), { from: at(0), to: at(1), active: 0, total: 0, ended: 0, failed: 0, peak: 0, users: 0, failures: [], ends: [], byTemplate: [], byUser: [] })
  t.end()
})

t.test('CSV is that of RFC 4180, and no cell of it is a formula', t => {
  t.equal(csvOf([['a', 'b'], ['x,"y"', 1.5], ['two\nlines', -3]]), 'a,b\r\n"x,""y""",1.5\r\n"two\nlines",-3\r\n')
  for (const formula of ['=HYPERLINK("http://evil.example")', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1']) {
    t.match(csvOf([[formula]]), /^"'/, JSON.stringify(formula))
  }
  t.end()
})
