import { existsSync, renameSync } from 'node:fs'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { ClockNote } from '#domain/live/clocks.ts'
import { parseFacts, type EndReason, type Session, type SessionFacts, type SessionRecord, type SessionState } from '#domain/session.ts'
import { StartRefused } from '#errors.ts'
import { addColumns, openDatabase } from './database.ts'

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
  CREATE INDEX IF NOT EXISTS live ON sessions (state) WHERE state NOT IN ('ended', 'failed');
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`

/** What later versions added to a session's row: a registry of an earlier one gets it when it is opened. */
const ADDED: Record<string, string> = {
  noted_at: 'TEXT', noted_boot: 'TEXT', noted_uptime_ms: 'INTEGER', age_ms: 'INTEGER', idle_ms: 'INTEGER', is_used: 'INTEGER'
}

/** The durable record of sessions, and of the uid counter. */
export type RegistryStore = ReturnType<typeof openRegistry>

/** Numbers of sqlite.org/rescode.html. */
const BUSY = 5
const CORRUPT = [11, 26] // malformed, not a database

/**
 * Opens the registry in `file`, which only root can read, and makes it if it is missing. One that is damaged is moved
 * aside first; `movedAside` hears where to.
 * @throws {StartRefused} while somebody else holds its lock
 */
export function openRegistry (file: string, movedAside: (to: string) => void = () => {}) {
  let database: DatabaseSync
  try {
    database = openSound(file)
  } catch (cause) {
    const errcode = ((cause as { errcode?: number }).errcode ?? 0) & 0xff // without what the extended codes add
    if (errcode === BUSY) throw new StartRefused(`the registry ${file} is locked: end the program that uses it, then start again`, { cause })
    if (!CORRUPT.includes(errcode)) throw cause
    movedAside(moveAside(file))
    database = openSound(file)
  }
  const statements = {
    insert: database.prepare('INSERT INTO sessions (id, state, facts, created_at) VALUES (?, ?, ?, ?)'),
    restore: database.prepare('INSERT OR IGNORE INTO sessions (id, state, facts, created_at) VALUES (?, ?, ?, ?)'),
    setState: database.prepare('UPDATE sessions SET state = ?, reason = coalesce(?, reason), ended_at = ? WHERE id = ?'),
    get: database.prepare('SELECT * FROM sessions WHERE id = ? AND state NOT IN (\'ended\', \'failed\')'),
    find: database.prepare('SELECT * FROM sessions WHERE id = ?'),
    noteClocks: database.prepare('UPDATE sessions SET noted_at = ?, noted_boot = ?, noted_uptime_ms = ?, age_ms = ?, idle_ms = ?, is_used = ? WHERE id = ?'),
    live: database.prepare('SELECT * FROM sessions WHERE state NOT IN (\'ended\', \'failed\') ORDER BY created_at'),
    addVersion: database.prepare('UPDATE sessions SET version = version + 1 WHERE id = ? RETURNING version'),
    prune: database.prepare('DELETE FROM sessions WHERE ended_at < ?'),
    getCounter: database.prepare('SELECT value FROM counters WHERE name = ?'),
    setCounter: database.prepare('INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
  }

  return {
    /** Writes the intent, before anything is made. */
    record (facts: SessionFacts): void {
      statements.insert.run(facts.id, 'creating', JSON.stringify(facts), facts.createdAt.toISOString())
    },
    /** Records a session that is found on the machine, unless it is known, ended ones included. Returns whether it was not. */
    restore (facts: SessionFacts, state: SessionState): boolean {
      return Number(statements.restore.run(facts.id, state, JSON.stringify(facts), facts.createdAt.toISOString()).changes) > 0
    },
    setState (id: string, state: SessionState, reason?: EndReason): void {
      const endedAt = state === 'ended' || state === 'failed' ? new Date().toISOString() : null
      statements.setState.run(state, reason ?? null, endedAt, id)
    },
    /** A session that has not ended. */
    get (id: string): Session | undefined {
      const row = statements.get.get(id)
      return row && toSession(row)
    },
    /** A session's record, also of one that ended not long ago. */
    find (id: string): SessionRecord | undefined {
      const row = statements.find.get(id)
      return row && toRecord(row)
    },
    /** Notes how far sessions' clocks are: all at once, for one write is as dear as many. */
    noteClocks (notes: Iterable<[id: string, note: ClockNote]>): void {
      database.exec('BEGIN IMMEDIATE')
      try {
        for (const [id, { wall, bootId, uptimeMs, ageMs, idleMs, isUsed }] of notes) {
          statements.noteClocks.run(wall.toISOString(), bootId, uptimeMs, Math.round(ageMs), Math.round(idleMs), Number(isUsed), id)
        }
        database.exec('COMMIT')
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK') // a full disk has done so
        throw error
      }
    },
    /** How far the session's clocks were when they were noted last. */
    clockNote (id: string): ClockNote | undefined {
      const row = statements.find.get(id)
      return row?.noted_at ? toNote(row) : undefined
    },
    /** All sessions that have not ended, oldest first. */
    live (): Session[] {
      return statements.live.all().map(toSession)
    },
    /** Counts one push, and returns how many there were with it. */
    addVersion (id: string): number {
      return Number(statements.addVersion.get(id)?.version)
    },
    /** Forgets the sessions that ended before `date`. */
    prune (date: Date): void {
      statements.prune.run(date.toISOString())
    },
    getCounter (name: string): number | undefined {
      const value = statements.getCounter.get(name)?.value
      return value === undefined ? undefined : Number(value)
    },
    setCounter (name: string, value: number): void {
      statements.setCounter.run(name, value)
    },
    close (): void {
      database.close()
    }
  }
}

/** @throws {Error} with SQLite's `errcode` when the file cannot be used as it is */
function openSound (file: string): DatabaseSync {
  const database = openDatabase(file, SCHEMA, database => addColumns(database, 'sessions', ADDED))
  try {
    database.exec('BEGIN IMMEDIATE; COMMIT') // reading it is no proof that nobody else holds it
    const found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (found !== 'ok') throw damaged(String(found))
    if (database.prepare('SELECT 1 FROM sessions WHERE NOT json_valid(facts)').get()) throw damaged('a record makes no sense')
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

function toSession (row: Record<string, SQLOutputValue>): Session {
  return { ...parseFacts(String(row.facts)), state: String(row.state) as SessionState, version: Number(row.version) }
}

function toRecord (row: Record<string, SQLOutputValue>): SessionRecord {
  return {
    ...toSession(row),
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
