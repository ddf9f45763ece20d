import { setImmediate as nextTurn } from 'node:timers/promises'
import { ChainCheck, erasedText, readEntry, vouchersFor, writeEntry, type KeptEntry, type Persons } from '#domain/operations/audit-entry.ts'
import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
import type { AuditLogHead, AuditLogStore } from '#domain/operations/audit-log-store.ts'
import { atomically, openOrRefuse } from './database.ts'

const NEVER_CHANGED = "CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END"
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL; -- a creation waits for it: what is lost with the machine's power is the last second
  PRAGMA busy_timeout = 2000;
  PRAGMA secure_delete = ON; -- what is erased is overwritten
  CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY CHECK (seq > 0), text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS by_user ON entries (text ->> 'user', seq);
  CREATE INDEX IF NOT EXISTS by_action ON entries (text ->> 'action', seq);
  CREATE INDEX IF NOT EXISTS by_target ON entries (text ->> 'target', seq);
  ${NEVER_CHANGED};
  CREATE TRIGGER IF NOT EXISTS never_removed BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
  CREATE TABLE IF NOT EXISTS persons (seq INTEGER, role TEXT, text TEXT NOT NULL, PRIMARY KEY (seq, role)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS by_person ON persons (text ->> 'user', seq);
  CREATE INDEX IF NOT EXISTS by_person_target ON persons (text ->> 'target', seq);
  CREATE TRIGGER IF NOT EXISTS person_never_changed BEFORE UPDATE ON persons BEGIN SELECT raise(ABORT, 'people of the audit log are erased, and never changed'); END;
`

/** The rows that are checked in one go, before other work may run. */
const AT_ONCE = 1000

/** An entry's texts of its people, as one JSON object. */
const PERSONS = '(SELECT json_group_object(role, text) FROM persons WHERE persons.seq = entries.seq) AS persons'
/** Where a text, of an entry or of a person in it, names a user. */
const NAMES_USER = "(text ->> 'user' = :user OR text ->> 'target' = :user OR text ->> '$.details.owner' = :user OR text ->> '$.details.user' = :user)"

/** The conditions of a query. In entries of earlier versions, user and target are in the text. */
const CONDITIONS = {
  user: "(text ->> 'user' = :user OR seq IN (SELECT seq FROM persons WHERE text ->> 'user' = :user))",
  action: "text ->> 'action' = :action",
  target: "(text ->> 'target' = :target OR seq IN (SELECT seq FROM persons WHERE text ->> 'target' = :target))"
}

/**
 * Opens the log in `file`, which only root can read, and makes it if it is missing. SQLite itself refuses to change or
 * remove an entry. The people of entries are in a table beside, from which they can be erased.
 * @throws {StartRefused} when it is damaged
 */
export async function openAuditLog (file: string): Promise<AuditLogStore> {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    last: database.prepare('SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1'),
    insert: database.prepare('INSERT INTO entries VALUES (?, ?, ?)'),
    insertPerson: database.prepare('INSERT INTO persons VALUES (?, ?, ?)'),
    stray: database.prepare('SELECT 1 FROM entries WHERE seq < 1'), // in a file whose table lacks the check of `seq`
    following: database.prepare(`SELECT *, ${PERSONS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ?`),
    erase: database.prepare(`DELETE FROM persons WHERE ${NAMES_USER} RETURNING seq`),
    whole: database.prepare(`SELECT seq, text FROM entries WHERE text ->> 'persons' IS NULL AND ${NAMES_USER}`),
    rewrite: database.prepare('UPDATE entries SET text = ? WHERE seq = ?')
  }

  function head (): AuditLogHead {
    const row = statements.last.get()
    return row ? { seq: Number(row.seq), hash: String(row.hash) } : { seq: 0, hash: FIRST_LINK }
  }

  /** Adds an entry, within a transaction. */
  function add (deed: AuditedDeed, at: Date): void {
    const { text, persons } = writeEntry(deed, at)
    const { seq, hash } = head()
    statements.insert.run(seq + 1, text, linkOf(hash, seq + 1, text))
    for (const [role, person] of Object.entries(persons)) statements.insertPerson.run(seq + 1, role, person)
  }

  /** Rewrites the entries of earlier versions that name the user, within a transaction. Resolves with their number. */
  function rewrite (user: string): number {
    const rewritten = statements.whole.all({ user }).flatMap(({ seq, text: earlier }) => {
      const text = erasedText(user, String(earlier))
      return text === undefined ? [] : [{ seq: Number(seq), text }]
    })
    if (rewritten.length === 0) return 0
    database.exec('DROP TRIGGER never_changed')
    for (const { seq, text } of rewritten) statements.rewrite.run(text, seq)
    database.exec(NEVER_CHANGED)
    for (const deed of vouchersFor(rewritten)) add(deed, new Date())
    return rewritten.length
  }

  return {
    head: async () => head(),
    async append (deed, at = new Date()) {
      atomically(database, () => add(deed, at))
    },
    async page ({ before = Number.MAX_SAFE_INTEGER, user, action, target, limit }) {
      const wanted = Object.entries({ user, action, target }).filter((pair): pair is [keyof typeof CONDITIONS, string] => pair[1] !== undefined)
      const isWanted = wanted.map(([name]) => `AND ${CONDITIONS[name]}`).join(' ')
      const rows = database.prepare(`SELECT *, ${PERSONS} FROM entries WHERE seq < :before ${isWanted} ORDER BY seq DESC LIMIT :limit`).all({ before, limit, ...Object.fromEntries(wanted) })
      return rows.map(row => readEntry(toEntry(row)))
    },
    async firstBroken (signal) {
      const check = new ChainCheck()
      if (statements.stray.get()) return 0
      for (let after = 0; ;) {
        const rows = statements.following.all(after, AT_ONCE)
        for (const row of rows) check.next(toEntry(row))
        if (rows.length < AT_ONCE) return check.firstBroken()
        after = Number(rows.at(-1)!.seq)
        await nextTurn(undefined, { signal })
      }
    },
    async erase (user) {
      const count = atomically(database, () => new Set(statements.erase.all({ user }).map(({ seq }) => seq)).size + rewrite(user))
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)') // the log of writes still has what was erased; a reader of this moment delays that
      return count
    },
    async close () {
      database.close()
    }
  }
}

function toEntry ({ seq, text, hash, persons }: Record<string, unknown>): KeptEntry {
  return { seq: Number(seq), text: String(text), hash: String(hash), persons: JSON.parse(String(persons)) as Persons }
}
