import t from 'tap'
import { spreadOf } from '#domain/operations/spread.ts'

t.test('the figures of many sessions are four, and none without sessions', async t => {
  t.equal(spreadOf([]), undefined)
  t.strictSame(spreadOf([7]), { sum: 7, max: 7, p90: 7, median: 7 })
  t.strictSame(spreadOf(Array.from({ length: 100 }, (_, index) => 100 - index)), { sum: 5050, max: 100, p90: 90, median: 50 })
})
