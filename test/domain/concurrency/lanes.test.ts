import t from 'tap'
import { Lanes } from '#domain/concurrency/lanes.ts'
import { failure } from '#errors.ts'

const never = new AbortController().signal

t.test('so many go on at a time, the others wait in their order, and what comes beyond is refused', async t => {
  const lanes = new Lanes(2, 2)
  const [first, second] = [await lanes.enter('anna', never), await lanes.enter('anna', never)]
  const come: string[] = []
  const waiting = ['third', 'fourth'].map(async name => {
    const leave = await lanes.enter('anna', never)
    come.push(name)
    return leave
  })
  await t.rejects(lanes.enter('anna', never), { code: 'EX10_TOO_MANY_TRANSFERS', statusCode: 429, retryAfterSeconds: 1 })
  const other = await lanes.enter('ben', never)
  t.strictSame(come, [], 'others\' places are no matter')
  first()
  first()
  const third = await waiting[0]!
  t.strictSame(come, ['third'], 'one place came free, although it was left twice')
  second()
  const fourth = await waiting[1]!
  for (const leave of [third, fourth, other]) leave()
  for (const leave of await Promise.all([lanes.enter('anna', never), lanes.enter('anna', never)])) leave()
})

t.test('whoever waits no longer makes room for another one, and takes no place', async t => {
  const lanes = new Lanes(1, 1)
  const leave = await lanes.enter('anna', never)
  const gone = new AbortController()
  const waits = lanes.enter('anna', gone.signal)
  gone.abort(failure('CLIENT_GONE'))
  await t.rejects(waits, { code: 'EX10_CLIENT_GONE' })
  await t.rejects(lanes.enter('anna', gone.signal), { code: 'EX10_CLIENT_GONE' })
  const next = lanes.enter('anna', never)
  leave()
  ;(await next)()
  ;(await lanes.enter('anna', never))()
})
