import type { RecordStore, StoredRecord } from '#domain/storage/record-store.ts'

interface Kept extends StoredRecord { expiresAt: number }

export async function openRecords (): Promise<RecordStore> {
  const partitions = new Map<string, Map<string, Kept>>()

  const inForce = (record: Kept | undefined, now = Date.now()) => record && record.expiresAt > now ? record : undefined
  const recordsOf = (partition: string) => [...partitions.get(partition)?.values() ?? []].filter(record => inForce(record)).sort((a, b) => inBytes(a.key, b.key))

  const store: RecordStore = {
    async get (partition, key) {
      const record = inForce(partitions.get(partition)?.get(key))
      return record && toRecord(record)
    },
    async list (partition, { prefix = '', after, limit = Infinity, newestFirst = false } = {}) {
      const ordered = newestFirst ? recordsOf(partition).reverse() : recordsOf(partition)
      const isBehind = ({ key }: Kept) => after === undefined || (newestFirst ? inBytes(key, after) < 0 : inBytes(key, after) > 0)
      return ordered.filter(record => record.key.startsWith(prefix) && isBehind(record)).slice(0, limit).map(toRecord)
    },
    async write (partition, changes) {
      const records = new Map(partitions.get(partition))
      for (const { key, value, ifRevision, expiresAt } of changes) {
        const revision = inForce(records.get(key))?.revision ?? 0
        if (ifRevision !== undefined && ifRevision !== revision) return false
        if (value) records.set(key, { key, value: Buffer.from(value), revision: revision + 1, expiresAt: expiresAt?.getTime() ?? Infinity })
        else records.delete(key)
      }
      if (records.size > 0) partitions.set(partition, records)
      else partitions.delete(partition)
      return true
    },
    async writeEach (changes) {
      await Promise.all([...changes].map(([partition, those]) => store.write(partition, those)))
    },
    async drop (partition) {
      partitions.delete(partition)
    },
    partitions: async prefix => [...partitions.keys()].filter(partition => partition.startsWith(prefix) && recordsOf(partition).length > 0).sort(inBytes),
    async prune (now = new Date()) {
      for (const [partition, records] of partitions) {
        for (const [key, record] of records) if (!inForce(record, now.getTime())) records.delete(key)
        if (records.size === 0) partitions.delete(partition)
      }
    },
    async close () {}
  }
  return store
}

function inBytes (a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function toRecord ({ key, value, revision }: Kept): StoredRecord {
  return { key, value: Buffer.from(value), revision }
}
