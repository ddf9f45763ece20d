import { randomBytes } from 'node:crypto'
import type { SQLOutputValue } from 'node:sqlite'
import type { Opener, ProviderSession } from '#domain/access/login.ts'
import type { Share, ShareMode } from '#domain/access/share.ts'
import type { ShareStore } from '#domain/access/share-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'
import { addColumns, atomically, openOrRefuse } from './database.ts'
import { bindingsOf, isOfSession } from './provider-session.ts'

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

/** Opens the links in `file`, which only root can read, and makes it if it is missing. @throws {StartRefused} when it is damaged */
export async function openShares (file: string): Promise<ShareStore> {
  const database = openOrRefuse(file, SCHEMA, database => addColumns(database, 'shares', { key_id: 'TEXT', provider: 'TEXT' }))
  const statements = {
    insert: database.prepare('INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    find: database.prepare('SELECT * FROM shares WHERE hash = ? AND expires_at > ?'),
    get: database.prepare('SELECT * FROM shares WHERE id = ? AND expires_at > ?'),
    list: database.prepare('SELECT * FROM shares WHERE session_id = ? AND expires_at > ? ORDER BY created_at, rowid'),
    remove: database.prepare('DELETE FROM shares WHERE id = ? AND session_id = ?'),
    removeOf: database.prepare(`DELETE FROM shares WHERE ${isOfSession('provider')} RETURNING id`),
    removeBy: database.prepare('DELETE FROM shares WHERE created_by = ? AND key_id IS NULL RETURNING id'),
    prune: database.prepare('DELETE FROM shares WHERE session_id = ? AND expires_at <= ?'),
    forget: database.prepare('DELETE FROM shares WHERE session_id = ?'),
    sessionIds: database.prepare('SELECT DISTINCT session_id FROM shares')
  }

  return {
    async create ({ sessionId, mode, createdBy, expiresAt, opener }, { most, uncounted = [] }, now = new Date()) {
      const id = randomBytes(6).toString('hex')
      const token = newToken()
      const [keyId, provider] = !opener ? [] : 'keyId' in opener ? [opener.keyId] : [null, JSON.stringify(opener)]
      const isMade = atomically(database, () => {
        statements.prune.run(sessionId, now.toISOString())
        const counted = statements.list.all(sessionId, now.toISOString()).filter(row => !uncounted.includes(String(row.id)))
        if (counted.length >= most) return false
        statements.insert.run(id, hashToken(token), sessionId, mode, createdBy, now.toISOString(), expiresAt.toISOString(), keyId ?? null, provider ?? null)
        return true
      })
      return isMade ? { share: { id, sessionId, mode, createdBy, createdAt: now, expiresAt, opener }, token } : undefined
    },
    async find (token, now = new Date()) {
      const row = statements.find.get(hashToken(token), now.toISOString())
      return row && toShare(row)
    },
    async get (id, now = new Date()) {
      const row = statements.get.get(id, now.toISOString())
      return row && toShare(row)
    },
    list: async (sessionId, now = new Date()) => statements.list.all(sessionId, now.toISOString()).map(toShare),
    remove: async (sessionId, id) => Number(statements.remove.run(id, sessionId).changes) > 0,
    removeOf: async session => statements.removeOf.all(bindingsOf(session)).map(({ id }) => String(id)),
    removeBy: async user => statements.removeBy.all(user).map(({ id }) => String(id)),
    async forget (sessionId) {
      statements.forget.run(sessionId)
    },
    sessionIds: async () => statements.sessionIds.all().map(row => String(row.session_id)),
    async close () {
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
