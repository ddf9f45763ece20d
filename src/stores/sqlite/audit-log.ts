import { setImmediate as nextTurn } from 'node:timers/promises'
import { FIRST_LINK, linkOf, type AuditedAction, type AuditedDeed } from '#domain/operations/audit-log.ts'
import { openOrRefuse } from './database.ts'

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

/** One line of the log. */
export interface AuditLogEntry extends AuditedDeed { seq: number, at: string, hash: string }

/** Which entries: those before `before`, newest first. */
export interface AuditLogQuery { before?: number | undefined, user?: string | undefined, action?: AuditedAction | undefined, target?: string | undefined, limit: number }

/** Rows that are checked before anybody else has a turn. */
const AT_ONCE = 1000

/** The audit log of an instance. */
export type AuditLogStore = ReturnType<typeof openAuditLog>

/**
 * Opens the log in `file`, which only root can read, and makes it if it is missing. Entries are only ever added, and
 * each one's hash covers the one before it. The server and a terminal may add to it at the same time.
 * @throws {StartRefused} when it is damaged
 */
export function openAuditLog (file: string) {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    last: database.prepare('SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1'),
    insert: database.prepare('INSERT INTO entries VALUES (?, ?, ?)'),
    stray: database.prepare('SELECT 1 FROM entries WHERE seq < 1'), // of a file that was made without the check
    following: database.prepare('SELECT * FROM entries WHERE seq > ? ORDER BY seq LIMIT ?')
  }

  /** The newest entry's place and hash: whoever keeps it elsewhere sees later whether the end was cut off. */
  function head (): { seq: number, hash: string } {
    const row = statements.last.get()
    return row ? { seq: Number(row.seq), hash: String(row.hash) } : { seq: 0, hash: FIRST_LINK }
  }

  return {
    head,
    append (deed: AuditedDeed, at = new Date()): void {
      const text = JSON.stringify({ at: at.toISOString(), ...deed })
      database.exec('BEGIN IMMEDIATE')
      try {
        const { seq, hash } = head()
        statements.insert.run(seq + 1, text, linkOf(hash, seq + 1, text))
        database.exec('COMMIT')
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK') // a full disk has done so
        throw error
      }
    },
    page ({ before = Number.MAX_SAFE_INTEGER, user, action, target, limit }: AuditLogQuery): AuditLogEntry[] {
      const wanted = Object.entries({ user, action, target }).filter((pair): pair is [string, string] => pair[1] !== undefined)
      const isWanted = wanted.map(([name]) => `AND text ->> '${name}' = :${name}`).join(' ')
      const rows = database.prepare(`SELECT * FROM entries WHERE seq < :before ${isWanted} ORDER BY seq DESC LIMIT :limit`).all({ before, limit, ...Object.fromEntries(wanted) })
      return rows.map(({ seq, text, hash }) => ({ seq: Number(seq), ...JSON.parse(String(text)) as AuditedDeed & { at: string }, hash: String(hash) }))
    },
    /** The number of the first entry that is not what it was, or that lacks the one before it; undefined when all are. */
    async firstBroken (signal: AbortSignal): Promise<number | undefined> {
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
    close (): void {
      database.close()
    }
  }
}
