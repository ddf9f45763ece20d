import t from 'tap'
import { withHeartbeat } from '#domain/concurrency/heartbeat.ts'

const again = (last: string) => `${last} again`

t.test('what comes in time is passed on as it is', async t => {
  async function * source () { yield * ['one', 'two', 'three'] }
  t.strictSame(await Array.fromAsync(withHeartbeat(source(), 10_000, again)), ['one', 'two', 'three'])
})

t.test('while a step is slow its last line is repeated, until the next one comes', async t => {
  const gate = Promise.withResolvers<void>()
  async function * source () {
    yield 'one'
    await gate.promise
    yield 'two'
  }
  const seen: string[] = []
  for await (const value of withHeartbeat(source(), 5, again)) {
    seen.push(value)
    if (seen.length === 4) gate.resolve()
  }
  t.strictSame(seen.slice(0, 4), ['one', 'one again', 'one again', 'one again'])
  t.equal(seen.at(-1), 'two')
})

t.test('before the first line there is nothing to repeat', async t => {
  const gate = Promise.withResolvers<void>()
  async function * source () {
    await gate.promise
    yield 'one'
  }
  setTimeout(() => gate.resolve(), 30)
  t.equal((await withHeartbeat(source(), 5, again).next()).value, 'one')
})

t.test('an error of the source is passed on, also when it comes late', async t => {
  async function * source () {
    yield 'one'
    await new Promise(resolve => setTimeout(resolve, 20))
    throw new Error('broken')
  }
  const seen: string[] = []
  await t.rejects(async () => {
    for await (const value of withHeartbeat(source(), 5, again)) seen.push(value)
  }, /broken/)
  t.equal(seen[0], 'one')
})

t.test('a reader that stops reading ends the source', async t => {
  let ended = false
  async function * source () {
    try {
      yield * ['one', 'two']
    } finally {
      ended = true
    }
  }
  // eslint-disable-next-line no-unreachable-loop
  for await (const value of withHeartbeat(source(), 10_000, again)) {
    t.equal(value, 'one')
    break
  }
  t.ok(ended)
})

t.test('no timer outlives the source', async t => {
  async function * source () { yield 'one' }
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  await Array.fromAsync(withHeartbeat(source(), 60_000, again))
  t.equal(timers(), before)
})
