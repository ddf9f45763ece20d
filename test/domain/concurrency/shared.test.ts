import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Shared } from '#domain/concurrency/shared.ts'

const STAYS = new AbortController().signal

/** A source that the test feeds. After it was abandoned, it ends with `undone: ` and the reason. */
function fed () {
  const queue: string[] = []
  let { promise: news, resolve: tell } = Promise.withResolvers<void>()
  const say = (...items: string[]) => {
    queue.push(...items)
    tell()
  }
  const shared = new Shared<string>(async function * (abandoned) {
    abandoned.addEventListener('abort', () => tell())
    for (;;) {
      if (abandoned.aborted) return yield `undone: ${abandoned.reason}`
      const item = queue.shift()
      if (item === 'over') return
      if (item === 'fail') throw new Error('it failed')
      if (item !== undefined) yield item
      else {
        await news
        ;({ promise: news, resolve: tell } = Promise.withResolvers<void>())
      }
    }
  })
  return { shared, say }
}

t.test('every reader reads all, from the beginning, whenever it comes', async t => {
  const { shared, say } = fed()
  const first = Array.fromAsync(shared.read(STAYS))
  say('a')
  await shared.begun
  const second = Array.fromAsync(shared.read(STAYS))
  await turn()
  say('b', 'over')
  t.strictSame(await Promise.all([first, second, Array.fromAsync(shared.read(STAYS))]), [['a', 'b'], ['a', 'b'], ['a', 'b']])
  await shared.over
  t.strictSame(await Array.fromAsync(shared.read(STAYS)), ['a', 'b'], 'also when all is over')
})

t.test('a reader that leaves stops nothing while another one reads; the last one that leaves reads how it was stopped', async t => {
  const { shared, say } = fed()
  const [one, two] = [new AbortController(), new AbortController()]
  const first = Array.fromAsync(shared.read(one.signal))
  const second = Array.fromAsync(shared.read(two.signal))
  say('a')
  await shared.begun
  one.abort(new Error('one has gone'))
  await t.rejects(first, /one has gone/)
  say('b')
  await turn()
  t.notOk(shared.isAbandoned)
  two.abort('two has gone')
  t.ok(shared.isAbandoned)
  t.strictSame(await second, ['a', 'b', 'undone: two has gone'])
})

t.test('a reader that had gone before it came counts as gone', async t => {
  const { shared } = fed()
  t.strictSame(await Array.fromAsync(shared.read(AbortSignal.abort('gone'))), ['undone: gone'])
})

t.test('a failure before the first item is told before anything is read, and one after it to every reader', async t => {
  const early = fed()
  early.say('fail')
  await t.rejects(early.shared.begun, /it failed/)
  const late = fed()
  late.say('a', 'fail')
  const items: string[] = []
  await late.shared.begun
  await t.rejects(async () => { for await (const item of late.shared.read(STAYS)) items.push(item) }, /it failed/)
  t.strictSame(items, ['a'])
  await late.shared.over
})
