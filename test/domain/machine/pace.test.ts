import t from 'tap'
import { Pace } from '#domain/machine/pace.ts'

t.test('nothing is said about a wait before two places came free: one is no pace', async t => {
  const pace = new Pace()
  t.equal(pace.estimate(1, 1000), null)
  pace.note('a', 1000)
  t.equal(pace.estimate(1, 2000), null)
  pace.note('a', 3000)
  t.equal(pace.estimate(1, 3000), 2000)
})

t.test('a wait is told from how fast places came free, and grows while none does', async t => {
  const pace = new Pace()
  for (const at of [0, 10_000, 20_000]) pace.note('a', at)
  t.equal(pace.estimate(1, 20_000), 10_000)
  t.equal(pace.estimate(3, 20_000), 30_000)
  t.equal(pace.estimate(1, 60_000), 30_000)
})

t.test('one user\'s places may be slower than everybody\'s', async t => {
  const pace = new Pace()
  for (const [owner, at] of [['a', 0], ['b', 1000], ['b', 2000], ['a', 8000]] as const) pace.note(owner, at)
  t.equal(pace.estimate(1, 9000), 3000)
  t.equal(pace.estimate(1, 9000, 'a'), 9000)
  t.equal(pace.estimate(1, 9000, 'c'), null)
})

t.test('what was long ago is forgotten', async t => {
  const pace = new Pace()
  pace.note('a', 0)
  for (let count = 0; count < 100; count++) pace.note('a', 1_000_000 + count * 10)
  t.equal(pace.estimate(1, 1_000_990), 10)
})
