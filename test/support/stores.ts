import t, { type Test } from 'tap'
import type { Backend } from '#stores/backend.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import { sqliteStores, type StoreFiles } from '#stores/sqlite/backend.ts'

/** The backends. A new one is an entry here: it keeps its promises when test/stores passes. */
const BACKENDS: Record<string, (t: Test) => Backend> = {
  sqlite: t => sqliteStores(newFiles(t)),
  memory: memoryStores
}

/** Files for stores, in an empty folder of this test. */
export function newFiles (t: Test): StoreFiles {
  const folder = t.testdir()
  return { keys: `${folder}/keys`, logins: `${folder}/logins`, shares: `${folder}/shares`, auditLog: `${folder}/audit-log`, statistics: `${folder}/statistics`, records: `${folder}/records` }
}

type Opened<Opener extends keyof Backend> = Awaited<ReturnType<Backend[Opener]>>

/** Tests one promise of a store against each backend, each time with an empty store. */
export function contract<Opener extends keyof Backend> (opener: Opener, promise: string, check: (t: Test, store: Opened<Opener>) => Promise<void>): void {
  for (const [backend, storesOf] of Object.entries(BACKENDS)) {
    t.test(`${backend}: ${promise}`, async t => {
      const store = await storesOf(t)[opener]() as Opened<Opener>
      t.teardown(() => store.close())
      await check(t, store)
    })
  }
}
