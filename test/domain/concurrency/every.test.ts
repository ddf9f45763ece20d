import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { every } from '#domain/concurrency/every.ts'

const alive = setInterval(() => {}, 60_000) // its waits do not keep this process alive
t.teardown(() => clearInterval(alive))

t.test('work is done again and again, never twice at a time, until the signal aborts', async t => {
  const stop = new AbortController()
  let atWork = 0
  let most = 0
  let times = 0
  await every(1, async () => {
    most = Math.max(most, ++atWork)
    await delay(5)
    atWork--
    if (++times === 3) stop.abort()
  }, stop.signal)
  t.strictSame([times, most, atWork], [3, 1, 0])
})

t.test('the first work comes after the pause, and none after the signal, which ends a long pause at once', async t => {
  const stop = new AbortController()
  let times = 0
  const over = every(60_000, () => { times++ }, stop.signal)
  await delay(5)
  stop.abort()
  await over
  await every(0, () => { times++ }, stop.signal)
  t.equal(times, 0)
})

t.test('it ends only when the work that is under way has ended', async t => {
  const stop = new AbortController()
  const begun = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  let isOver = false
  const over = every(1, () => { begun.resolve(); return gate.promise }, stop.signal).then(() => { isOver = true })
  await begun.promise
  stop.abort()
  await delay(5)
  t.notOk(isOver)
  gate.resolve()
  await over
})

t.test('an error of the work ends it, and reaches the caller', async t => {
  let times = 0
  await t.rejects(every(1, () => { times++; throw new Error('no') }, AbortSignal.timeout(10_000)), { message: 'no' })
  t.equal(times, 1)
})
