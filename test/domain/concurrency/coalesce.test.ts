import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { coalesce } from '#domain/concurrency/coalesce.ts'

t.test('every call is followed by a whole run, and calls during a run share the next one', async t => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let begun = 0
  const sync = coalesce(() => gates[begun++]!.promise)
  const first = sync()
  await turn()
  t.equal(begun, 1)
  const during = [sync(), sync(), sync()]
  await turn()
  t.equal(begun, 1, 'never two at a time')
  gates[0]!.resolve()
  await first
  await turn()
  t.equal(begun, 2, 'one run for the three')
  let finished = 0
  for (const call of during) call.then(() => { finished++ })
  await turn()
  t.equal(finished, 0)
  gates[1]!.resolve()
  await Promise.all(during)
  t.equal(begun, 2)
})

t.test('a run that fails is its callers\' to hear, and the next one runs', async t => {
  let runs = 0
  const sync = coalesce(async () => { if (++runs === 1) throw new Error('no') })
  const [first, second] = [sync(), turn().then(sync)]
  await t.rejects(first, /no/)
  await second
  t.equal(runs, 2)
})
