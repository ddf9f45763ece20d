import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { RecordStore } from '#domain/storage/record-store.ts'
import type { Stores } from '#stores/backend.ts'
import { storesOf } from '#stores/index.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { eventually } from '#support/servers/server.ts'
import { startPostgres } from '#support/storage/postgres.ts'
import type { StoreServer } from '#support/storage/program.ts'
import { startRedis } from '#support/storage/redis.ts'

const PARTITIONS = 5
/** Redis with `everysec` may lose what it got in this time before it was killed. */
const EVERYSEC_MS = 2000

const storesAt = (url: string, folder = '/nowhere'): Promise<Stores> => storesOf({ store: url }, dataFolderAt(folder))

/** The numbers of these that the store does not have. */
async function missing (store: RecordStore, numbers: Iterable<number>): Promise<number[]> {
  const there = new Set<string>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const { key, value } of await store.list(`written/${partition}`)) if (value.toString() === key) there.add(key)
  }
  return [...numbers].filter(number => !there.has(String(number)))
}

const SERVERS: Record<string, { start: (t: Test) => Promise<StoreServer>, mayLoseMs: number }> = {
  PostgreSQL: { start: startPostgres, mayLoseMs: 0 },
  'Redis with appendfsync always': { start: t => startRedis(t, { appendfsync: 'always' }), mayLoseMs: 0 },
  'Redis with appendfsync everysec': { start: startRedis, mayLoseMs: EVERYSEC_MS }
}

for (const [name, { start, mayLoseMs }] of Object.entries(SERVERS)) {
  t.test(`${name} is killed, and stopped, in mid-traffic: what was acknowledged is there, and writers go on by themselves`, async t => {
    const server = await start(t)
    const stores = await storesAt(server.url)
    const store = await stores.openRecords()
    t.teardown(() => store.close())
    const acknowledged = new Map<number, number>() // when, by number
    const errors = new Map<string, number>()
    const killedAt: number[] = []
    let next = 0
    const over = new AbortController()
    const watching = stores.link?.watch(over.signal)
    t.teardown(() => over.abort())

    async function write (): Promise<void> {
      while (!over.signal.aborted) {
        const number = next++
        try {
          await store.write(`written/${number % PARTITIONS}`, [{ key: String(number), value: Buffer.from(String(number)) }])
          acknowledged.set(number, performance.now())
        } catch (error) {
          const { code = String(error) } = error as { code?: string }
          errors.set(code, (errors.get(code) ?? 0) + 1)
          await new Promise(resolve => setTimeout(resolve, 20))
        }
      }
    }

    const writers = Array.from({ length: 16 }, write)
    const more = (count: number) => eventually('acknowledged writes', () => acknowledged.size >= count, 20_000)
    for (const signal of ['SIGKILL', undefined] as const) {
      await more(acknowledged.size + 300)
      await server.stop(signal)
      if (signal) killedAt.push(performance.now())
      await server.start()
    }
    await more(acknowledged.size + 300)
    over.abort()
    await Promise.all([...writers, watching])
    const lost = await missing(store, [...acknowledged].filter(([, at]) => killedAt.every(end => at > end || at < end - mayLoseMs)).map(([number]) => number))
    t.strictSame(lost.slice(0, 10), [], `of ${acknowledged.size} acknowledged ones`)
    t.strictSame([...errors.keys()], ['EX10_STORE_UNAVAILABLE'], 'writers hear that the store was away, and nothing else')
  })
}

const BACKENDS: Record<string, (t: Test) => Promise<string>> = {
  SQLite: async () => 'sqlite:',
  PostgreSQL: async t => (await startPostgres(t)).url,
  Redis: async t => (await startRedis(t)).url
}

for (const [name, urlOf] of Object.entries(BACKENDS)) {
  t.test(`a server is killed while it writes to ${name}: the next one finds everything that was acknowledged`, async t => {
    const [url, folder] = [await urlOf(t), t.testdir()]
    const child = spawn(process.execPath, ['test/fixtures/write-records.mts'], { env: { PATH: process.env.PATH, EX10_STORE: url, FOLDER: folder }, stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    let text = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      text += chunk
      if (text.length > 2000) child.kill('SIGKILL')
    }
    await exited
    const numbers = text.split('\n').slice(0, -1).map(Number)
    const store = await (await storesAt(url, folder)).openRecords()
    t.teardown(() => store.close())
    t.ok(numbers.length > 300)
    t.strictSame((await missing(store, numbers)).slice(0, 10), [])
  })
}
