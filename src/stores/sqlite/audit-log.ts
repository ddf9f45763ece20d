import { setImmediate as nextTurn } from 'node:timers/promises'
import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
import type { AuditLogHead, AuditLogStore } from '#domain/operations/audit-log-store.ts'
import { atomically, openOrRefuse } from './database.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL; -- a creation waits for it: what is lost with the machine's power is the last second
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY CHECK (seq > 0), text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS by_user ON entries (text ->> 'user', seq);
  CREATE INDEX IF NOT EXISTS by_action ON entries (text ->> 'action', seq);
  CREATE INDEX IF NOT EXISTS by_target ON entries (text ->> 'target', seq);
  CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS never_removed BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
`

/** The rows that are checked in one go, before other work may run. */
const AT_ONCE = 1000

/**
 * Opens the log in `file`, which only root can read, and makes it if it is missing. SQLite itself refuses to change or
 * remove an entry.
 * @throws {StartRefused} when it is damaged
 */
export async function openAuditLog (file: string): Promise<AuditLogStore> {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    last: database.prepare('SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1'),
    insert: database.prepare('INSERT INTO entries VALUES (?, ?, ?)'),
    stray: database.prepare('SELECT 1 FROM entries WHERE seq < 1'), // in a file whose table lacks the check of `seq`
    following: database.prepare('SELECT * FROM entries WHERE seq > ? ORDER BY seq LIMIT ?')
  }

  function head (): AuditLogHead {
    const row = statements.last.get()
    return row ? { seq: Number(row.seq), hash: String(row.hash) } : { seq: 0, hash: FIRST_LINK }
  }

  return {
    head: async () => head(),
    async append (deed, at = new Date()) {
      const text = JSON.stringify({ at: at.toISOString(), ...deed })
      atomically(database, () => {
        const { seq, hash } = head()
        statements.insert.run(seq + 1, text, linkOf(hash, seq + 1, text))
      })
    },
    async page ({ before = Number.MAX_SAFE_INTEGER, user, action, target, limit }) {
      const wanted = Object.entries({ user, action, target }).filter((pair): pair is [string, string] => pair[1] !== undefined)
      const isWanted = wanted.map(([name]) => `AND text ->> '${name}' = :${name}`).join(' ')
      const rows = database.prepare(`SELECT * FROM entries WHERE seq < :before ${isWanted} ORDER BY seq DESC LIMIT :limit`).all({ before, limit, ...Object.fromEntries(wanted) })
      return rows.map(({ seq, text, hash }) => ({ seq: Number(seq), ...JSON.parse(String(text)) as AuditedDeed & { at: string }, hash: String(hash) }))
    },
    async firstBroken (signal) {
      let link = { seq: 0, hash: FIRST_LINK }
      if (statements.stray.get()) return 0
      for (;;) {
        const rows = statements.following.all(link.seq, AT_ONCE)
        for (const row of rows) {
          const seq = link.seq + 1
          const hash = linkOf(link.hash, seq, String(row.text))
          if (row.seq !== seq || row.hash !== hash) return seq
          link = { seq, hash }
        }
        if (rows.length < AT_ONCE) return undefined
        await nextTurn(undefined, { signal })
      }
    },
    async close () {
      database.close()
    }
  }
}
