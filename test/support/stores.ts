import t, { type Test } from 'tap'
import type { Backend } from '#stores/backend.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import { postgresStores } from '#stores/postgres/backend.ts'
import { redisStores } from '#stores/redis/backend.ts'
import { sqliteStores, type StoreFiles } from '#stores/sqlite/backend.ts'
import { query, startPostgres } from './storage/postgres.ts'
import type { StoreServer } from './storage/program.ts'
import { newPrefix, startCluster, startRedis } from './storage/redis.ts'

/** The servers of this process, each started at its first use. */
let postgres: Promise<{ url: string, stores: Backend }> | undefined
let redis: Promise<StoreServer> | undefined
let cluster: Promise<StoreServer[]> | undefined

/** The backends. A new one is an entry here: it keeps its promises when test/stores passes. */
const BACKENDS: Record<string, (t: Test) => Promise<Backend>> = {
  sqlite: async t => sqliteStores(newFiles(t)),
  memory: async () => memoryStores(),
  async postgres () {
    const { url, stores } = await (postgres ??= openPostgres())
    await query(url, 'TRUNCATE records')
    return stores
  },
  redis: async () => redisStores({ url: newPrefix((await (redis ??= startRedis(t))).url) })
}

/** Backends of which only the records are tested: the other stores are made of them. */
const OF_RECORDS: typeof BACKENDS = {
  'redis cluster': async () => redisStores({ url: newPrefix((await (cluster ??= startCluster(t)))[0]!.url) })
}

/** Starts a PostgreSQL, and holds its database open: connections and migrations take longer than most tests. */
async function openPostgres (): Promise<{ url: string, stores: Backend }> {
  const { url } = await startPostgres(t)
  const stores = postgresStores({ url })
  const held = await stores.openRecords()
  t.teardown(() => held.close())
  return { url, stores }
}

/** Files for stores, in an empty folder of this test. */
export function newFiles (t: Test): StoreFiles {
  const folder = t.testdir()
  return { keys: `${folder}/keys`, logins: `${folder}/logins`, shares: `${folder}/shares`, auditLog: `${folder}/audit-log`, statistics: `${folder}/statistics`, records: `${folder}/records` }
}

type Opened<Opener extends keyof Backend> = Awaited<ReturnType<Backend[Opener]>>

/** Tests one promise of a store against each backend, each time with an empty store. */
export function contract<Opener extends keyof Backend> (opener: Opener, promise: string, check: (t: Test, store: Opened<Opener>) => Promise<void>): void {
  for (const [backend, storesOf] of Object.entries({ ...BACKENDS, ...opener === 'openRecords' && OF_RECORDS })) {
    t.test(`${backend}: ${promise}`, async t => {
      const store = await (await storesOf(t))[opener]() as Opened<Opener>
      t.teardown(() => store.close())
      await check(t, store)
    })
  }
}
