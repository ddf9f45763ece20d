import t from 'tap'
import { CrashLoop } from '#domain/programs/crash-loop.ts'
import { PROGRAMS } from '#domain/programs/programs.ts'

t.test('a dev server that dies again and again stays down for 1, 2, 4 … 30 s, and is given up after ten deaths', async t => {
  const loop = new CrashLoop(PROGRAMS['dev-server'].crashLimit)
  let now = 0
  const pauses = Array.from({ length: 11 }, () => {
    const pause = loop.died(now)
    now += (pause ?? 0) + 100
    return pause
  })
  t.strictSame(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, undefined])
})

t.test('a display comes back at once, five times in a row', async t => {
  const loop = new CrashLoop(PROGRAMS.xpra.crashLimit)
  t.strictSame([1, 2, 3, 4, 5, 6].map(now => loop.died(now)), [0, 0, 0, 0, 0, undefined])
})

t.test('what has been well for half a minute, or is forgiven, starts anew', async t => {
  const loop = new CrashLoop(PROGRAMS['dev-server'].crashLimit)
  t.strictSame([loop.died(0), loop.died(1100)], [1000, 2000])
  loop.isWell(3100 + 29_000)
  t.equal(loop.died(33_000), 4000, 'it had been well for 29 s')
  loop.isWell(37_000 + 31_000)
  t.equal(loop.died(69_000), 1000, 'and then for 31 s')
  loop.died(80_000)
  loop.forgive()
  t.equal(loop.died(81_000), 1000)
})

t.test('what runs for ever and never answers is given up, too', async t => {
  const loop = new CrashLoop(PROGRAMS.browser.crashLimit)
  t.strictSame([1, 2, 3, 4, 5, 6].map(minute => loop.died(minute * 60_000)), [0, 0, 0, 0, 0, undefined])
})
