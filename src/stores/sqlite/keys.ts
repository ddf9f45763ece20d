import { randomBytes } from 'node:crypto'
import type { SQLOutputValue } from 'node:sqlite'
import { isInForce, newSecret, USE_NOTED_MS, type ApiKey } from '#domain/access/api-key.ts'
import type { KeyStore } from '#domain/access/key-store.ts'
import type { Role, Scope } from '#domain/principal.ts'
import { hashToken } from '#domain/access/token.ts'
import { openOrRefuse } from './database.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_used_at TEXT
  ) STRICT;
`

/**
 * Opens the keys in `file`, which only root can read, and makes it if it is missing. Calls `onUnnoted` with the error
 * when the use of a key could not be written.
 * @throws {StartRefused} when the file is damaged
 */
export async function openKeys (file: string, onUnnoted: (error: unknown) => void = () => {}): Promise<KeyStore> {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    insert: database.prepare('INSERT INTO keys (id, hash, user, role, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    list: database.prepare('SELECT * FROM keys ORDER BY created_at, rowid'),
    find: database.prepare('SELECT * FROM keys WHERE hash = ?'),
    get: database.prepare('SELECT * FROM keys WHERE id = ?'),
    revoke: database.prepare('UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING *'),
    remove: database.prepare('DELETE FROM keys WHERE id = ?'),
    used: database.prepare('UPDATE keys SET last_used_at = ? WHERE id = ?')
  }

  function noteUse (id: string, now: Date): void {
    try {
      statements.used.run(now.toISOString(), id)
    } catch (error) {
      onUnnoted(error) // a full disk must not refuse the key: its user can free space by ending a session
    }
  }

  return {
    async create ({ user, role, scopes, expiresAt }, now = new Date(), secret = newSecret()) {
      const id = randomBytes(6).toString('hex')
      statements.insert.run(id, hashToken(secret), user, role, JSON.stringify(scopes), now.toISOString(), expiresAt?.toISOString() ?? null)
      return { key: { id, user, role, scopes, createdAt: now, ...(expiresAt && { expiresAt }) }, secret }
    },
    list: async () => statements.list.all().map(toKey),
    async revoke (id, now = new Date()) {
      const row = statements.revoke.get(now.toISOString(), id)
      return row && toKey(row)
    },
    async remove (id) {
      statements.remove.run(id)
    },
    async find (secret, now = new Date()) {
      const row = statements.find.get(hashToken(secret))
      const key = row && toKey(row)
      if (!key || !isInForce(key, now)) return undefined
      if (now.getTime() - (key.lastUsedAt?.getTime() ?? 0) > USE_NOTED_MS) noteUse(key.id, now)
      return key
    },
    async isInForce (id, now = new Date()) {
      const row = statements.get.get(id)
      return row !== undefined && isInForce(toKey(row), now)
    },
    async close () {
      database.close()
    }
  }
}

function toKey (row: Record<string, SQLOutputValue>): ApiKey {
  const date = (column: string) => row[column] === null ? undefined : new Date(String(row[column]))
  const [expiresAt, revokedAt, lastUsedAt] = ['expires_at', 'revoked_at', 'last_used_at'].map(date)
  return {
    id: String(row.id),
    user: String(row.user),
    role: String(row.role) as Role,
    scopes: JSON.parse(String(row.scopes)) as Scope[],
    createdAt: new Date(String(row.created_at)),
    ...(expiresAt && { expiresAt }),
    ...(revokedAt && { revokedAt }),
    ...(lastUsedAt && { lastUsedAt })
  }
}
