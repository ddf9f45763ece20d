import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreLink, type StoreNews } from '#domain/storage/store-link.ts'
import { failure } from '#errors.ts'

const MS = { watch: 10, retry: 5, longestRetry: 20, probe: 50 }
const unavailable = () => failure('STORE_UNAVAILABLE', { cause: new Error('connection refused') })

/** A link to a store that is away when it is told to be, and notes what it was asked to write. */
function newLink (t: Test, most?: { writes: number, bytes: number }) {
  const store = { isAway: false, isSilent: false, probes: 0, written: [] as string[] }
  const link = new StoreLink({
    ...most && { most },
    ms: MS,
    async probe () {
      store.probes++
      if (store.isSilent) await new Promise(() => {})
      if (store.isAway) throw unavailable()
    }
  })
  const news: string[] = []
  const closing = new AbortController()
  const watching = link.watch(closing.signal)
  t.teardown(async () => {
    closing.abort()
    await watching
  })
  link.onNews(((name, error) => { news.push(error instanceof Error ? `${name}: ${error.message}` : name) }) satisfies StoreNews)
  const write = (name: string) => link.later(async () => {
    if (store.isAway) throw unavailable()
    store.written.push(name)
  }, 100)
  const ask = () => link.ask(async () => {
    if (store.isAway) throw unavailable()
    return 'answer'
  })
  return { link, store, news, write, ask }
}

async function until (isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await delay(2, undefined, { signal: AbortSignal.timeout(5000) })
}

t.test('while the store is away, a question is refused at once, and the news come once', async t => {
  const { link, store, news, ask } = newLink(t)
  t.equal(await ask(), 'answer')
  store.isAway = true
  for (let count = 0; count < 5; count++) await t.rejects(ask(), { code: 'EX10_STORE_UNAVAILABLE', statusCode: 503, retryAfterSeconds: 5 })
  await until(() => link.state.awaySince !== undefined)
  let wasAsked = false
  await t.rejects(link.ask(async () => { wasAsked = true }), { code: 'EX10_STORE_UNAVAILABLE' })
  await t.rejects(link.check(), { code: 'EX10_STORE_UNAVAILABLE' })
  t.notOk(wasAsked, 'the store is not asked')
  store.isAway = false
  await until(() => link.state.awaySince === undefined)
  t.equal(await ask(), 'answer')
  await link.check()
  t.match(news, [/^away: /, 'back'])
  t.equal(news.length, 2)
})

t.test('a store that goes away without a word is noticed, also when nobody asks', async t => {
  const { link, store, ask } = newLink(t)
  const stuck = t.rejects(link.ask(() => new Promise(() => {})), { code: 'EX10_STORE_UNAVAILABLE' }, 'a question that waits for its answer is refused, too')
  store.isSilent = true
  await until(() => link.state.awaySince !== undefined)
  await stuck
  await t.rejects(ask(), { code: 'EX10_STORE_UNAVAILABLE' })
})

t.test('one failed call does not make a store away that answers', async t => {
  const { link, news, ask } = newLink(t)
  await t.rejects(link.ask(async () => { throw unavailable() }), { code: 'EX10_STORE_UNAVAILABLE' })
  await t.rejects(link.ask(async () => { throw new Error('not valid') }), { message: 'not valid' })
  await delay(30)
  t.equal(await ask(), 'answer')
  t.strictSame(news, [])
})

t.test('writes that may wait are made when the store is back, in their order, and behind them the new ones', async t => {
  const { link, store, write, news } = newLink(t)
  await write('1')
  store.isAway = true
  for (const name of ['2', '3', '4']) await write(name)
  await until(() => link.state.awaySince !== undefined)
  await write('5')
  t.match(link.state, { awaySince: Date, waiting: 4, dropped: 0 })
  t.strictSame(store.written, ['1'])
  store.isAway = false
  await until(() => link.state.waiting < 4)
  await write('6')
  await until(() => link.state.awaySince === undefined)
  t.strictSame(store.written, ['1', '2', '3', '4', '5', '6'])
  t.match(link.state, { awaySince: undefined, waiting: 0, dropped: 0 })
  t.match(news, [/^away/, 'back'])
})

t.test('a write that fails late waits at its place', async t => {
  const { link, store } = newLink(t)
  const { promise: late, reject } = Promise.withResolvers<void>()
  const named = (name: string) => async () => {
    if (store.isAway) throw unavailable()
    store.written.push(name)
  }
  let isFirst = true
  const first = link.later(async () => {
    if (isFirst) await late.finally(() => { isFirst = false })
    await named('1')()
  }, 10)
  store.isAway = true
  for (const name of ['2', '3']) await link.later(named(name), 10)
  reject(unavailable())
  await first
  store.isAway = false
  await until(() => link.state.waiting === 0)
  t.strictSame(store.written, ['1', '2', '3'])
})

t.test('too many waiting writes drop the oldest, and are counted', async t => {
  for (const most of [{ writes: 3, bytes: 10_000 }, { writes: 100, bytes: 350 }]) {
    const { link, store, write, news } = newLink(t, most)
    store.isAway = true
    for (const name of ['1', '2', '3', '4', '5']) await write(name)
    t.match(link.state, { waiting: 3, dropped: 2 })
    store.isAway = false
    await until(() => link.state.waiting === 0)
    t.strictSame(store.written, ['3', '4', '5'])
    t.equal(news.filter(name => name === 'dropping').length, 1)
  }
})

t.test('a waiting write that the store refuses does not keep the others from it', async t => {
  const { link, store, write, news } = newLink(t)
  store.isAway = true
  await write('1')
  await link.later(async () => { throw store.isAway ? unavailable() : new Error('too large') }, 10)
  await write('2')
  store.isAway = false
  await until(() => link.state.waiting === 0)
  t.strictSame(store.written, ['1', '2'])
  t.ok(news.includes('failed: too large'))
  await t.rejects(link.later(async () => { throw new Error('too large') }, 10), { message: 'too large' }, 'with a store that answers, the caller hears it')
})

t.test('attempts to reach the store become fewer, and end with the server', async t => {
  const { link, store, write } = newLink(t)
  store.isAway = true
  await write('1')
  await until(() => link.state.awaySince !== undefined)
  const before = store.probes
  await delay(200)
  t.ok(store.probes - before <= 14, `${store.probes - before} attempts in 200 ms`)
  t.equal(await link.flush(), 1, 'what cannot be written at the end is counted')
  store.isAway = false
  t.equal(await link.flush(), 0)
  t.strictSame(store.written, ['1'])
})
