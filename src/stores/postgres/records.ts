import { sql } from 'kysely'
import type { RecordChange, RecordStore, StoredRecord } from '#domain/storage/record-store.ts'
import { ordered } from '#stores/ordered.ts'
import type { Database } from './connection.ts'

/** The greatest code point: it is behind every key with the prefix, since no key has a control character. */
const END = '\u{10FFFF}'
/** The partitions that are written in one transaction: each takes a lock. */
const AT_ONCE = 200

const IN_FORCE = sql<boolean>`(expires_at IS NULL OR expires_at > clock_timestamp())`

/** Keeps records in one table. The database's clock says when a record ends. */
export function recordsIn ({ db, run }: Omit<Database, 'close'>): Omit<RecordStore, 'close'> {
  const selected = (partition: string) => db.selectFrom('records').select(['key', 'value', 'revision']).where('partition', '=', partition).where(IN_FORCE)

  return ordered({
    async get (partition, key): Promise<StoredRecord | undefined> {
      return (await run(selected(partition).where('key', '=', key)))[0]
    },
    async list (partition, { prefix = '', after, limit, newestFirst = false } = {}) {
      let query = selected(partition).orderBy('key', newestFirst ? 'desc' : 'asc')
      if (prefix !== '') query = query.where('key', '>=', prefix).where('key', '<', prefix + END)
      if (after !== undefined) query = query.where('key', newestFirst ? '<' : '>', after)
      if (limit !== undefined) query = query.limit(limit)
      return await run(query)
    },
    async write (partition, changes) {
      const [row] = await run(db.selectNoFrom(written(partition, changes).as('made')))
      return row!.made
    },
    async writeEach (changes) {
      const sorted = [...changes].sort(([a], [b]) => a < b ? -1 : 1) // two servers take the locks in the same order
      for (let from = 0; from < sorted.length; from += AT_ONCE) {
        const calls = sorted.slice(from, from + AT_ONCE).map(([partition, its]) => written(partition, its))
        await run(db.selectNoFrom(sql`ARRAY[${sql.join(calls)}]`.as('made')))
      }
    },
    async drop (partition) {
      await run(db.deleteFrom('records').where('partition', '=', partition))
    },
    async partitions (prefix) {
      const rows = await run(db.selectFrom('records').select('partition').distinct().where('partition', '>=', prefix).where('partition', '<', prefix + END).where(IN_FORCE).orderBy('partition'))
      return rows.map(({ partition }) => partition)
    },
    async prune (now) {
      await run(db.deleteFrom('records').where('expires_at', '<=', now ?? sql<Date>`clock_timestamp()`))
    },
    async close () {}
  })
}

/** The call that makes the changes of a partition in one step. */
function written (partition: string, changes: RecordChange[]) {
  const keys = changes.map(({ key }) => key)
  const expected = changes.map(({ ifRevision }) => ifRevision ?? -1)
  const ends = changes.map(({ expiresAt }) => expiresAt ?? null)
  const values = changes.map(({ value }) => value ?? null)
  return sql<boolean>`ex10_write(${partition}, ${keys}::text[], ${expected}::integer[], ${ends}::timestamptz[], ${values}::bytea[])`
}
