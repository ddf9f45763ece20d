import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { EndReason, Session, SessionFacts, SessionState } from '../domain/session.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 2000;
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

/** The durable record of sessions, and of the uid counter. */
export type RegistryStore = ReturnType<typeof openRegistry>

/** Opens the registry in `file`, which only root can read, and makes it if it is missing. */
export function openRegistry (file: string) {
  closeSync(openSync(file, 'a', 0o600)) // its -wal and -shm take its mode
  chmodSync(file, 0o600)
  const database = new DatabaseSync(file)
  database.exec(SCHEMA)
  const statements = {
    insert: database.prepare('INSERT INTO sessions (id, state, facts, created_at) VALUES (?, \'creating\', ?, ?)'),
    setState: database.prepare('UPDATE sessions SET state = ?, reason = coalesce(?, reason), ended_at = ? WHERE id = ?'),
    get: database.prepare('SELECT * FROM sessions WHERE id = ? AND state NOT IN (\'ended\', \'failed\')'),
    live: database.prepare('SELECT * FROM sessions WHERE state NOT IN (\'ended\', \'failed\') ORDER BY created_at'),
    addVersion: database.prepare('UPDATE sessions SET version = version + 1 WHERE id = ? RETURNING version'),
    prune: database.prepare('DELETE FROM sessions WHERE ended_at < ?'),
    getCounter: database.prepare('SELECT value FROM counters WHERE name = ?'),
    setCounter: database.prepare('INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
  }

  return {
    /** Writes the intent, before anything is made. */
    record (facts: SessionFacts): void {
      statements.insert.run(facts.id, JSON.stringify(facts), facts.createdAt.toISOString())
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

function toSession (row: Record<string, SQLOutputValue>): Session {
  const facts = JSON.parse(String(row.facts)) as SessionFacts
  return { ...facts, createdAt: new Date(facts.createdAt), state: String(row.state) as SessionState, version: Number(row.version) }
}
