import t from 'tap'
import { createOnce } from '#domain/access/once.ts'

const at = (seconds: number) => new Date(seconds * 1000)

t.test('what may be used once is refused from then on, as long as it could be used', async t => {
  const once = createOnce(10)
  t.ok(once.use('a', at(60), at(0)))
  t.notOk(once.use('a', at(60), at(1)))
  t.ok(once.use('b', at(60), at(1)))
  t.notOk(once.use('a', at(60), at(59)))
  once.forget('a')
  t.ok(once.use('a', at(60), at(59)), 'what came to nothing may be used again')
})

t.test('no more than so many are remembered; the oldest is forgotten', async t => {
  const once = createOnce(3)
  for (const id of ['a', 'b', 'c', 'd']) t.ok(once.use(id, at(60), at(0)))
  for (const id of ['b', 'c', 'd']) t.notOk(once.use(id, at(60), at(0)))
  t.ok(once.use('a', at(60), at(0)), 'which is why they are many')
})
