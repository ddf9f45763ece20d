import type { SQLOutputValue } from 'node:sqlite'
import type { RecordChange, RecordStore, StoredRecord } from '#domain/storage/record-store.ts'
import { atomically, openOrRefuse } from './database.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL; -- a wait for the disk would stop every session, while one of them fills it
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS records (
    partition TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    expires_at INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (partition, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS ending ON records (expires_at) WHERE expires_at IS NOT NULL;
`
/** Selects records that have not ended. Parameters of each statement begin with the time. */
const IN_FORCE = '(expires_at IS NULL OR expires_at > ?)'
/** Behind every key: no key has a control character, and this is the greatest code point. */
const END = '\u{10FFFF}'

/** Opens the records in `file`, which only root can read, and makes it if it is missing. @throws {StartRefused} when it is damaged */
export async function openRecords (file: string): Promise<RecordStore> {
  const database = openOrRefuse(file, SCHEMA)
  const list = (bounds: string, order: string) => database.prepare(`SELECT key, value, revision FROM records WHERE ${IN_FORCE} AND partition = ? AND ${bounds} ORDER BY key ${order} LIMIT ?`)
  const statements = {
    get: database.prepare(`SELECT key, value, revision FROM records WHERE ${IN_FORCE} AND partition = ? AND key = ?`),
    up: list('key >= ? AND key < ? AND key > ?', 'ASC'),
    down: list('key >= ? AND key < ? AND key < ?', 'DESC'),
    revision: database.prepare(`SELECT revision FROM records WHERE ${IN_FORCE} AND partition = ? AND key = ?`),
    put: database.prepare('INSERT OR REPLACE INTO records (partition, key, revision, expires_at, value) VALUES (?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM records WHERE partition = ? AND key = ?'),
    drop: database.prepare('DELETE FROM records WHERE partition = ?'),
    partitions: database.prepare(`SELECT DISTINCT partition FROM records WHERE ${IN_FORCE} AND partition >= ? AND partition < ? ORDER BY partition`),
    prune: database.prepare('DELETE FROM records WHERE expires_at <= ?')
  }

  function apply (partition: string, changes: RecordChange[]): void {
    const now = Date.now()
    for (const { key, value, ifRevision, expiresAt } of changes) {
      const revision = Number(statements.revision.get(now, partition, key)?.revision ?? 0)
      if (ifRevision !== undefined && ifRevision !== revision) throw new Unexpected()
      if (value) statements.put.run(partition, key, revision + 1, expiresAt?.getTime() ?? null, value)
      else statements.remove.run(partition, key)
    }
  }

  return {
    async get (partition, key) {
      const row = statements.get.get(Date.now(), partition, key)
      return row && toRecord(row)
    },
    async list (partition, { prefix = '', after, limit = -1, newestFirst = false } = {}) {
      const statement = newestFirst ? statements.down : statements.up
      return statement.all(Date.now(), partition, prefix, prefix + END, after ?? (newestFirst ? END : ''), limit).map(toRecord)
    },
    async write (partition, changes) {
      try {
        atomically(database, () => apply(partition, changes))
        return true
      } catch (error) {
        if (error instanceof Unexpected) return false
        throw error
      }
    },
    async writeEach (changes) {
      atomically(database, () => { for (const [partition, those] of changes) apply(partition, those) })
    },
    async drop (partition) {
      statements.drop.run(partition)
    },
    partitions: async prefix => statements.partitions.all(Date.now(), prefix, prefix + END).map(({ partition }) => String(partition)),
    async prune (now = new Date()) {
      statements.prune.run(now.getTime())
    },
    async close () {
      database.close()
    }
  }
}

/** A record does not have the revision that a change expects. */
class Unexpected extends Error {}

function toRecord ({ key, value, revision }: Record<string, SQLOutputValue>): StoredRecord {
  const { buffer, byteOffset, byteLength } = value as Uint8Array
  return { key: String(key), value: Buffer.from(buffer, byteOffset, byteLength), revision: Number(revision) }
}
