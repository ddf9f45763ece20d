import { existsSync, renameSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { ClockStore } from '#domain/live/clock-store.ts'
import type { ClockNote } from '#domain/live/clocks.ts'
import type { RegistryStore, UidCounter } from '#domain/machine/registry-store.ts'
import { END_STATES, parseFacts, type EndReason, type SessionRecord, type SessionState } from '#domain/session.ts'
import { StartRefused } from '#errors.ts'
import { addColumns, openDatabase } from './database.ts'

const OVER = END_STATES.map(state => `'${state}'`).join(', ')

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 500; -- the server waits with it, all of it
  CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    facts TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    created_at TEXT NOT NULL,
    ended_at TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS live ON sessions (state) WHERE state NOT IN (${OVER});
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`

/** The columns that later versions added to a session's row. A registry of an earlier version gets them when it is opened. */
const ADDED: Record<string, string> = {
  noted_at: 'TEXT', noted_boot: 'TEXT', noted_uptime_ms: 'INTEGER', age_ms: 'INTEGER', idle_ms: 'INTEGER', is_used: 'INTEGER', completed_at: 'TEXT'
}

/** The stores of this machine's sessions. Closing `sessions` closes all of them. */
export interface Registry {
  sessions: RegistryStore
  clocks: ClockStore
  uids: UidCounter
}

/** The name of the uids' counter. */
const UIDS = 'uids-taken'

/** Numbers of sqlite.org/rescode.html. */
const BUSY = 5
const CORRUPT = [11, 26] // malformed, not a database

/**
 * Opens the registry in `file`, which only root can read, and makes it if it is missing. A damaged one is moved aside first;
 * `movedAside` is called with its new path.
 * @throws {StartRefused} while another process holds its lock
 */
export function openRegistry (file: string, movedAside: (to: string) => void = () => {}): Registry {
  let database: DatabaseSync
  try {
    database = openSound(file)
  } catch (cause) {
    const errcode = ((cause as { errcode?: number }).errcode ?? 0) & 0xff // the primary code: extended codes add higher bits
    if (errcode === BUSY) throw new StartRefused(`the registry ${file} is locked: end the program that uses it, then start again`, { cause })
    if (!CORRUPT.includes(errcode)) throw cause
    movedAside(moveAside(file))
    database = openSound(file)
  }
  return { sessions: sessionsIn(database), clocks: clocksIn(database), uids: uidsIn(database) }
}

function sessionsIn (database: DatabaseSync): RegistryStore {
  const statements = {
    insert: database.prepare("INSERT INTO sessions (id, state, facts, created_at) VALUES (?, 'creating', ?, ?)"),
    restore: database.prepare('INSERT OR IGNORE INTO sessions (id, state, facts, created_at, completed_at) VALUES (?, ?, ?, ?, ?)'),
    ready: database.prepare("UPDATE sessions SET state = 'ready', completed_at = ? WHERE id = ?"),
    stopping: database.prepare("UPDATE sessions SET state = 'stopping', reason = ? WHERE id = ?"),
    ended: database.prepare('UPDATE sessions SET state = ?, ended_at = ? WHERE id = ?'),
    addVersion: database.prepare('UPDATE sessions SET version = version + 1 WHERE id = ? RETURNING version'),
    live: database.prepare(`SELECT * FROM sessions WHERE state NOT IN (${OVER}) ORDER BY created_at`),
    find: database.prepare('SELECT * FROM sessions WHERE id = ?'),
    findCompleted: database.prepare("SELECT * FROM sessions WHERE facts ->> '$.request.key' = ? AND completed_at IS NOT NULL AND state <> 'failed' ORDER BY completed_at DESC LIMIT 1"),
    prune: database.prepare('DELETE FROM sessions WHERE ended_at < ?')
  }
  return {
    async record (facts) {
      statements.insert.run(facts.id, JSON.stringify(facts), facts.createdAt.toISOString())
    },
    async restore (facts, state) {
      return Number(statements.restore.run(facts.id, state, JSON.stringify(facts), facts.createdAt.toISOString(), state === 'ready' ? facts.createdAt.toISOString() : null).changes) > 0
    },
    async ready (id) {
      statements.ready.run(new Date().toISOString(), id)
    },
    async stopping (id, reason) {
      statements.stopping.run(reason, id)
    },
    async ended (id, state) {
      statements.ended.run(state, new Date().toISOString(), id)
    },
    async addVersion (id) {
      const row = statements.addVersion.get(id)
      if (!row) throw new Error(`no session ${id} is recorded`)
      return Number(row.version)
    },
    async live () {
      return statements.live.all().map(toRecord)
    },
    async find (id) {
      const row = statements.find.get(id)
      return row && toRecord(row)
    },
    async findCompleted (key) {
      const row = statements.findCompleted.get(key)
      return row && { facts: parseFacts(String(row.facts)), completedAt: new Date(String(row.completed_at)) }
    },
    async prune (date) {
      statements.prune.run(date.toISOString())
    },
    async close () {
      database.close()
    }
  }
}

function clocksIn (database: DatabaseSync): ClockStore {
  const statements = {
    note: database.prepare('UPDATE sessions SET noted_at = ?, noted_boot = ?, noted_uptime_ms = ?, age_ms = ?, idle_ms = ?, is_used = ? WHERE id = ?'),
    noted: database.prepare('SELECT * FROM sessions WHERE id = ? AND noted_at IS NOT NULL')
  }
  return {
    async note (notes) {
      database.exec('BEGIN IMMEDIATE')
      try {
        for (const [id, { wall, bootId, uptimeMs, ageMs, idleMs, isUsed }] of notes) {
          statements.note.run(wall.toISOString(), bootId, uptimeMs, Math.round(ageMs), Math.round(idleMs), Number(isUsed), id)
        }
        database.exec('COMMIT')
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK') // after a full disk, SQLite has rolled back already
        throw error
      }
    },
    async noted (id) {
      const row = statements.noted.get(id)
      return row && toNote(row)
    }
  }
}

function uidsIn (database: DatabaseSync): UidCounter {
  const get = database.prepare('SELECT value FROM counters WHERE name = ?')
  const set = database.prepare('INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
  return {
    get () {
      const value = get.get(UIDS)?.value
      return value === undefined ? undefined : Number(value)
    },
    set (taken) {
      set.run(UIDS, taken)
    }
  }
}

/** Reads all records of the registry in `file`, also while a server has it open. Writes nothing. Without the file there are no records. */
export function readRegistry (file: string): SessionRecord[] {
  if (!existsSync(file)) return []
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout = 2000')
    if (!database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sessions'").get()) return []
    return database.prepare('SELECT * FROM sessions').all().map(toRecord)
  } finally {
    database.close()
  }
}

/** @throws {Error} with SQLite's `errcode` when the file cannot be used as it is */
function openSound (file: string): DatabaseSync {
  const database = openDatabase(file, SCHEMA, database => addColumns(database, 'sessions', ADDED))
  try {
    database.exec('BEGIN IMMEDIATE; COMMIT') // a read would succeed while another process holds the lock: a write transaction shows that none does
    const found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (found !== 'ok') throw damaged(String(found))
    if (database.prepare('SELECT 1 FROM sessions WHERE NOT json_valid(facts)').get()) throw damaged('a record is malformed')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const damaged = (why: string) => Object.assign(new Error(`the registry is damaged: ${why}`), { errcode: CORRUPT[0] })

/** Renames the registry and the files that belong to it, and returns its new name. */
function moveAside (file: string): string {
  const to = `${file}.damaged-${new Date().toISOString().replaceAll(':', '-')}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, to + suffix)
  }
  return to
}

function toRecord (row: Record<string, SQLOutputValue>): SessionRecord {
  return {
    ...parseFacts(String(row.facts)),
    state: String(row.state) as SessionState,
    version: Number(row.version),
    ...(row.reason !== null && { reason: String(row.reason) as EndReason }),
    ...(row.ended_at !== null && { endedAt: new Date(String(row.ended_at)) })
  }
}

function toNote (row: Record<string, SQLOutputValue>): ClockNote {
  return {
    wall: new Date(String(row.noted_at)),
    bootId: String(row.noted_boot),
    uptimeMs: Number(row.noted_uptime_ms),
    ageMs: Number(row.age_ms),
    idleMs: Number(row.idle_ms),
    isUsed: row.is_used === 1
  }
}
