import type { RecordChange, RecordStore } from './record-store.ts'
import type { StoreLink } from './store-link.ts'

/**
 * The first words of the partitions whose writes may wait while the store is away: what the server notes by itself, and nobody has been
 * promised. All other writes are refused then.
 */
export const WRITTEN_LATER: ReadonlySet<string> = new Set(['versions'])

/**
 * Records of a store that may be away. While it is, each method rejects with EX10_STORE_UNAVAILABLE at once, but for drops, and writes
 * of `WRITTEN_LATER` that expect no revisions: these resolve, and are made when the store is back.
 */
export function guardedRecords (store: RecordStore, link: StoreLink): RecordStore {
  const mayWait = (partition: string, changes: RecordChange[]) => WRITTEN_LATER.has(partition.split('/', 1)[0]!) && changes.every(({ ifRevision }) => ifRevision === undefined)

  return {
    get: (partition, key) => link.ask(() => store.get(partition, key)),
    list: (partition, range) => link.ask(() => store.list(partition, range)),
    async write (partition, changes) {
      if (!mayWait(partition, changes)) return await link.ask(() => store.write(partition, changes))
      await link.later(() => store.write(partition, changes), bytesOf(partition, changes))
      return true
    },
    async writeEach (changes) {
      const those = [...changes]
      if (!those.every(([partition, its]) => mayWait(partition, its))) return await link.ask(() => store.writeEach(those))
      await link.later(() => store.writeEach(those), those.reduce((sum, [partition, its]) => sum + bytesOf(partition, its), 0))
    },
    drop: partition => link.later(() => store.drop(partition), bytesOf(partition, [])),
    partitions: prefix => link.ask(() => store.partitions(prefix)),
    prune: now => link.ask(() => store.prune(now)),
    async close () {
      await link.flush()
      await store.close()
    }
  }
}

/** About the memory that changes need. */
function bytesOf (partition: string, changes: RecordChange[]): number {
  return changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0) + 100, partition.length + 100)
}
