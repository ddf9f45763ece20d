import { Turns } from '#domain/concurrency/turns.ts'
import type { RecordChange, RecordStore } from '#domain/storage/record-store.ts'

/** Keeps the order of the calls for each partition over a store that has several connections. */
export function ordered (store: RecordStore): RecordStore {
  const turns = new Turns()
  return {
    get: (partition, key) => turns.read(partition, () => store.get(partition, key)),
    list: (partition, range) => turns.read(partition, () => store.list(partition, range)),
    write: (partition, changes) => turns.write([partition], () => store.write(partition, changes)),
    async writeEach (changes) {
      const those = new Map<string, RecordChange[]>()
      for (const [partition, its] of changes) those.set(partition, [...those.get(partition) ?? [], ...its])
      await turns.write([...those.keys()], () => store.writeEach(those))
    },
    drop: partition => turns.write([partition], () => store.drop(partition)),
    partitions: prefix => store.partitions(prefix),
    prune: now => store.prune(now),
    close: () => store.close()
  }
}
