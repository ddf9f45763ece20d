import t from 'tap'
import { clocksFrom, elapsedMs, expiryOf, idleFor, noteOf, shownOf, type Clocks, type Moment } from '#domain/live/clocks.ts'

const OFF = { idleMs: 0, sessionMs: 0, connectMs: 0, givenUpMs: 0, warningMs: 0 }
const NEW: Clocks = { readyAt: 1000, activeAt: 1000, working: 0, isUsed: false }
const USED: Clocks = { ...NEW, activeAt: 5000, isUsed: true }
const HOUR = 3_600_000

t.test('the clock that is over first ends a session, and says why', async t => {
  const limits = { ...OFF, idleMs: 3000, sessionMs: 10_000, connectMs: 2000 }
  t.match(expiryOf(NEW, limits), { at: 3000, because: 'never-used' })
  t.match(expiryOf(USED, limits), { at: 8000, because: 'idle' }, 'one that was used does not end as never used')
  t.match(expiryOf({ ...USED, activeAt: 9000 }, limits), { at: 11_000, because: 'session-timeout' }, 'and no use makes it live longer than it may')
  t.match(expiryOf({ ...USED, activeAt: 900_000 }, limits), { at: 11_000 })
  t.match(expiryOf({ ...USED, working: 1 }, limits), { at: 11_000, because: 'session-timeout' }, 'while something is under way, it is not idle')
})

t.test('a clock that is turned off ends nothing', async t => {
  t.equal(expiryOf(NEW, OFF), undefined)
  t.equal(expiryOf({ ...USED, working: 2 }, { ...OFF, idleMs: 1, connectMs: 1 }), undefined)
  t.match(expiryOf(NEW, { ...OFF, idleMs: 500 }), { at: 1500, because: 'idle' }, 'one that was never used is idle from the beginning')
})

t.test('a session whose display or browser was given up ends, whether it is used or not, unless that comes back', async t => {
  const broken = { ...USED, working: 1, givenUpAt: 7000 }
  const limits = { ...OFF, idleMs: HOUR, givenUpMs: 600_000, warningMs: 60_000 }
  t.strictSame(expiryOf(broken, limits), { at: 607_000, warnAt: 547_000, because: 'given-up' })
  t.equal(expiryOf({ ...broken, givenUpAt: undefined }, limits), undefined, 'it is back')
  t.match(expiryOf({ ...broken, working: 0 }, { ...limits, idleMs: 1000 }), { because: 'idle' }, 'another clock may be over before')
  t.equal(expiryOf(broken, OFF), undefined, 'never, if so wished')
})

t.test('a drain ends every session at its deadline, used or not, and warns at once; a clock that is over before ends it before', async t => {
  const limits = { ...OFF, warningMs: 60_000, drain: { since: 6000, at: 606_000 } }
  t.strictSame(expiryOf({ ...USED, working: 1 }, limits), { at: 606_000, warnAt: 6000, because: 'drain' })
  t.match(expiryOf(USED, { ...limits, idleMs: HOUR }), { at: 606_000, because: 'drain' })
  t.match(expiryOf(USED, { ...limits, idleMs: 2000 }), { at: 7000, because: 'idle' })
})

t.test('the warning comes as long before the end as wanted, but a short clock is half over first', async t => {
  t.match(expiryOf(USED, { ...OFF, idleMs: HOUR, warningMs: 60_000 }), { at: 5000 + HOUR, warnAt: 5000 + HOUR - 60_000 })
  t.match(expiryOf(USED, { ...OFF, idleMs: 4000, warningMs: 60_000 }), { at: 9000, warnAt: 7000 })
  t.match(expiryOf(USED, { ...OFF, idleMs: 4000 }), { warnAt: 9000 })
})

t.test('what is shown: how long nobody did anything, and what is to come, from now on', async t => {
  const limits = { ...OFF, idleMs: 4000, warningMs: 1000 }
  t.strictSame(shownOf(USED, limits, 6000.4), { idleMs: 1000, expiry: { inMs: 3000, warningInMs: 2000, because: 'idle' } })
  t.strictSame(shownOf(USED, limits, 20_000).expiry, { inMs: 0, warningInMs: 0, because: 'idle' })
  t.strictSame(shownOf({ ...USED, working: 1 }, limits, 6000), { idleMs: 0 })
  t.equal(idleFor(USED, 4000), 0, 'never less than nothing')
})

t.test('the clocks go on over a restart, the time between included, whatever the clock on the wall was set to', async t => {
  const at = (wall: string, uptimeMs: number, bootId = 'a'): Moment => ({ wall: new Date(wall), bootId, uptimeMs })
  const note = noteOf(USED, 8000, at('2026-01-01T12:00:00Z', 50_000))
  t.match(note, { ageMs: 7000, idleMs: 3000, isUsed: true })
  for (const wall of ['2026-01-01T12:00:10Z', '2026-01-01T11:00:00Z', '2031-01-01T00:00:00Z']) {
    const clocks = clocksFrom(note, 100, at(wall, 60_000))
    t.strictSame(clocks, { readyAt: 100 - 17_000, activeAt: 100 - 13_000, working: 0, isUsed: true }, wall)
  }
  t.equal(elapsedMs(note, at('2026-01-01T12:30:00Z', 5, 'b')), HOUR / 2, 'after a boot, the wall\'s is all there is')
  t.equal(elapsedMs(note, at('2026-01-01T11:30:00Z', 5, 'b')), 0, 'and it does not go back')
  t.equal(elapsedMs(note, at('2026-01-01T12:00:10Z', 40_000)), 0, 'nor does the other')
  t.equal(elapsedMs({ ...note, bootId: '' }, at('2026-01-01T12:00:10Z', 999_000, '')), 10_000, 'a machine that does not tell its boot')
})

t.test('what is under way when the server ends is not idle until then', async t => {
  const note = noteOf({ ...USED, working: 1 }, 9000, { wall: new Date(), bootId: 'a', uptimeMs: 0 })
  t.equal(note.idleMs, 0)
})
