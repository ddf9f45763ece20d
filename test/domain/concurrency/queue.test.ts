import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { newQueue } from '#domain/concurrency/queue.ts'

t.test('works are done one at a time, in order, and one that fails holds up no other', async t => {
  const inTurn = newQueue()
  const log: string[] = []
  const work = (name: string) => inTurn(async () => {
    log.push(`${name} begins`)
    await delay(5)
    log.push(`${name} ends`)
    if (name === 'b') throw new Error('b fails')
    return name
  })
  const [a, b, c] = await Promise.allSettled(['a', 'b', 'c'].map(work))
  t.strictSame(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  t.match([a, b, c], [{ value: 'a' }, { reason: { message: 'b fails' } }, { value: 'c' }], 'each caller hears of its own work')
})
