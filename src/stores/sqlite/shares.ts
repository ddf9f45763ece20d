import { randomBytes } from 'node:crypto'
import type { SQLOutputValue } from 'node:sqlite'
import type { Opener, ProviderSession } from '#domain/access/login.ts'
import type { NewShare, Share, ShareMode } from '#domain/access/share.ts'
import { bindingsOf, isOfSession } from './provider-session.ts'
import { addColumns, openOrRefuse } from './database.ts'
import { hashToken, newToken } from '#domain/access/token.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS shares (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    key_id TEXT,
    provider TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS of_session ON shares (session_id);
`

/** The links of an instance's sessions. */
export type ShareStore = ReturnType<typeof openShares>

/** Opens the links in `file`, which only root can read, and makes it if it is missing. @throws {StartRefused} when it is damaged */
export function openShares (file: string) {
  const database = openOrRefuse(file, SCHEMA, database => addColumns(database, 'shares', { key_id: 'TEXT', provider: 'TEXT' }))
  const statements = {
    insert: database.prepare('INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    find: database.prepare('SELECT * FROM shares WHERE hash = ? AND expires_at > ?'),
    get: database.prepare('SELECT * FROM shares WHERE id = ? AND expires_at > ?'),
    list: database.prepare('SELECT * FROM shares WHERE session_id = ? AND expires_at > ? ORDER BY created_at, id'),
    remove: database.prepare('DELETE FROM shares WHERE id = ? AND session_id = ?'),
    removeOf: database.prepare(`DELETE FROM shares WHERE ${isOfSession('provider')} RETURNING id`),
    removeBy: database.prepare('DELETE FROM shares WHERE created_by = ? AND key_id IS NULL RETURNING id'),
    prune: database.prepare('DELETE FROM shares WHERE session_id = ? AND expires_at <= ?'),
    forget: database.prepare('DELETE FROM shares WHERE session_id = ?'),
    sessionIds: database.prepare('SELECT DISTINCT session_id FROM shares')
  }

  return {
    /** Makes a link, and forgets those of its session that have expired. Its `token` is told here only. */
    create ({ sessionId, mode, createdBy, expiresAt, opener }: NewShare, now = new Date()): { share: Share, token: string } {
      const id = randomBytes(6).toString('hex')
      const token = newToken()
      statements.prune.run(sessionId, now.toISOString())
      const [keyId, provider] = !opener ? [] : 'keyId' in opener ? [opener.keyId] : [null, JSON.stringify(opener)]
      statements.insert.run(id, hashToken(token), sessionId, mode, createdBy, now.toISOString(), expiresAt.toISOString(), keyId ?? null, provider ?? null)
      return { share: { id, sessionId, mode, createdBy, createdAt: now, expiresAt, opener }, token }
    },
    /** The link that holds this token, if it is in force. */
    find (token: string, now = new Date()): Share | undefined {
      const row = statements.find.get(hashToken(token), now.toISOString())
      return row && toShare(row)
    },
    /** The link with this id, if it is in force. */
    get (id: string, now = new Date()): Share | undefined {
      const row = statements.get.get(id, now.toISOString())
      return row && toShare(row)
    },
    /** A session's links that are in force, oldest first. */
    list: (sessionId: string, now = new Date()): Share[] => statements.list.all(sessionId, now.toISOString()).map(toShare),
    /** Returns whether there was one. */
    remove: (sessionId: string, id: string): boolean => Number(statements.remove.run(id, sessionId).changes) > 0,
    /** Removes those made by logins that this session at the provider opened, or by all of its person's where no `sid` is given; returns their ids. */
    removeOf: (session: ProviderSession): string[] => statements.removeOf.all(bindingsOf(session)).map(({ id }) => String(id)),
    /** Removes those that the user has made, but with an API key or by way of one; returns their ids. */
    removeBy: (user: string): string[] => statements.removeBy.all(user).map(({ id }) => String(id)),
    /** Removes all links of a session. */
    forget (sessionId: string): void {
      statements.forget.run(sessionId)
    },
    /** The sessions that have any. */
    sessionIds: (): string[] => statements.sessionIds.all().map(row => String(row.session_id)),
    close (): void {
      database.close()
    }
  }
}

function toShare (row: Record<string, SQLOutputValue>): Share {
  return {
    id: String(row.id),
    sessionId: String(row.session_id),
    mode: String(row.mode) as ShareMode,
    createdBy: String(row.created_by),
    createdAt: new Date(String(row.created_at)),
    expiresAt: new Date(String(row.expires_at)),
    opener: openerOf(row)
  }
}

function openerOf ({ key_id: keyId, provider }: Record<string, SQLOutputValue>): Opener | undefined {
  if (keyId !== null) return { keyId: String(keyId) }
  return provider === null ? undefined : JSON.parse(String(provider)) as ProviderSession
}
