import t from 'tap'
import { watchClock, type ClockWatch } from '#domain/memory/trusted-clock.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.parse('2026-06-01T00:00:00Z')
const moment = (upMs: number, aheadMs = 0, bootId = 'one') => ({ wall: new Date(START + upMs + aheadMs), bootId, uptimeMs: upMs })
const looks = (...moments: ReturnType<typeof moment>[]) => moments.reduce<ClockWatch | undefined>((before, now) => watchClock(before, now), undefined)!.waitMs

t.test('a clock that goes as the machine does is trusted, over boots and short times off', t => {
  t.equal(looks(moment(0)), 0, 'the first look')
  t.equal(looks(moment(0), moment(HOUR), moment(100 * DAY)), 0, 'also when the server did not run for long')
  t.equal(looks(moment(0), moment(HOUR, 5 * HOUR)), 0, 'a few hours are no jump')
  t.equal(looks(moment(10 * DAY), { ...moment(0, 10 * DAY + HOUR, 'two') }), 0, 'a boot')
  t.end()
})

t.test('a clock that was set far ahead or back deletes nothing for a day of the machine\'s own time', t => {
  for (const ahead of [2 * DAY, 3650 * DAY, -2 * DAY, -3650 * DAY]) {
    t.equal(looks(moment(0), moment(HOUR, ahead)), DAY, `${ahead / DAY} days`)
    t.equal(looks(moment(0), moment(HOUR, ahead), moment(2 * HOUR, ahead)), DAY - HOUR)
    t.equal(looks(moment(0), moment(HOUR, ahead), moment(25 * HOUR, ahead)), 0, 'then it is believed')
    t.equal(looks(moment(0), moment(HOUR, ahead), moment(20 * HOUR)), DAY, 'a clock that is put right has jumped again')
  }
  t.equal(looks(moment(10 * DAY), moment(60_000, 400 * DAY, 'two')), DAY, 'a machine that was off for long looks the same')
  t.equal(looks(moment(10 * DAY), moment(60_000, 0, 'two')), DAY, 'as does one that boots with an old time')
  t.end()
})
