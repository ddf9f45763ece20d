// npm run bench:stores: what reading and writing records costs in each store, with 100,000 records in it. Prints a table; asserts nothing.
// The store servers run on this machine, so the network costs nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import type { Test } from 'tap'
import type { RecordStore } from '#domain/storage/record-store.ts'
import type { Backend } from '#stores/backend.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import { postgresStores } from '#stores/postgres/backend.ts'
import { redisStores } from '#stores/redis/backend.ts'
import { sqliteStores } from '#stores/sqlite/backend.ts'
import { startPostgres } from '#support/storage/postgres.ts'
import { startRedis } from '#support/storage/redis.ts'

const USAGE = `usage: npm run bench:stores

Measures reading and writing in each store, for about two minutes, and prints a table. Starts a PostgreSQL and a Redis of its own.`
const [word] = process.argv.slice(2)
if (word === '--help' || word === '-h') {
  console.log(USAGE)
  process.exit()
}
if (word !== undefined) {
  console.error(`ex10: unknown argument "${word}"\n${USAGE}`)
  process.exit(1)
}
const [PARTITIONS, KEYS] = [1000, 100]
const VALUE = Buffer.alloc(500, 'ex10')
/** How long each operation is repeated, one at a time and several at once. */
const MS = 1500
const AT_ONCE = 16

const partitionOf = (index: number) => `state/${String(index % PARTITIONS).padStart(32, '0')}`
const keyOf = (index: number) => `value/${String(Math.floor(index / PARTITIONS) % KEYS).padStart(3, '0')}`
const inAnHour = () => new Date(Date.now() + 3_600_000)

const OPERATIONS: Record<string, (store: RecordStore, index: number) => Promise<unknown>> = {
  get: (store, index) => store.get(partitionOf(index), keyOf(index)),
  put: (store, index) => store.write(partitionOf(index), [{ key: keyOf(index), value: VALUE }]),
  touch: (store, index) => store.write(partitionOf(index), [{ key: keyOf(index), value: VALUE, expiresAt: inAnHour() }]),
  'list 20': (store, index) => store.list(partitionOf(index), { prefix: 'value/', limit: 20 })
}

async function fill (store: RecordStore): Promise<void> {
  for (let first = 0; first < PARTITIONS; first += 50) {
    await store.writeEach(Array.from({ length: 50 }, (_, at) => [partitionOf(first + at), Array.from({ length: KEYS }, (_, key) => ({ key: keyOf(key * PARTITIONS), value: VALUE }))] as const))
  }
}

/** Repeats the work from this many callers. Returns its times, ms, sorted, and how often it was done in a second. */
async function repeat (callers: number, work: (index: number) => Promise<unknown>): Promise<{ times: number[], rate: number }> {
  const times: number[] = []
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() - startedAt < MS) {
      const index = Math.floor(Math.random() * PARTITIONS * KEYS)
      const begun = performance.now()
      await work(index)
      times.push(performance.now() - begun)
    }
  }))
  return { times: times.sort((a, b) => a - b), rate: times.length / (performance.now() - startedAt) * 1000 }
}

const undo: (() => unknown)[] = []
/** What the store servers need of a test. */
const t = { teardown: (work: () => unknown) => { undo.unshift(work) } } as Test
const folder = mkdtempSync(`${tmpdir()}/ex10-bench-`)
t.teardown(() => rmSync(folder, { recursive: true }))

const BACKENDS: Record<string, () => Promise<Backend>> = {
  memory: async () => memoryStores(),
  sqlite: async () => sqliteStores({ keys: `${folder}/keys`, logins: `${folder}/logins`, shares: `${folder}/shares`, auditLog: `${folder}/audit-log`, statistics: `${folder}/statistics`, records: `${folder}/records` }),
  postgres: async () => postgresStores({ url: (await startPostgres(t)).url }),
  redis: async () => redisStores({ url: (await startRedis(t)).url })
}

try {
  console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)} at the start; ${PARTITIONS * KEYS} records of ${VALUE.length} bytes\n`)
  console.log(`| store | operation | median ms | p99 ms | a second | a second, ${AT_ONCE} at once |\n|---|---|---|---|---|---|`)
  for (const [name, open] of Object.entries(BACKENDS)) {
    const store = await (await open()).openRecords()
    undo.unshift(() => store.close())
    await fill(store)
    for (const [operation, work] of Object.entries(OPERATIONS)) {
      await repeat(1, index => work(store, index)) // warm
      const alone = await repeat(1, index => work(store, index))
      const together = await repeat(AT_ONCE, index => work(store, index))
      const at = (share: number) => alone.times[Math.floor(alone.times.length * share)]!.toFixed(3)
      console.log(`| ${name} | ${operation} | ${at(0.5)} | ${at(0.99)} | ${Math.round(alone.rate)} | ${Math.round(together.rate)} |`)
    }
  }
  console.log(`\nload ${loadavg()[0]?.toFixed(1)} at the end`)
} finally {
  for (const work of undo) await work()
}
