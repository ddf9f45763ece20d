import { randomBytes } from 'node:crypto'
import type { SQLOutputValue } from 'node:sqlite'
import { isInForce, KEY_PREFIX, type ApiKey, type NewKey } from '#domain/access/api-key.ts'
import type { Role, Scope } from '#domain/principal.ts'
import { openOrRefuse } from './database.ts'
import { hashToken, newToken } from '#domain/access/token.ts'

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

const USED_MS = 60_000

/** The API keys of an instance. */
export type KeyStore = ReturnType<typeof openKeys>

/**
 * Opens the keys in `file`, which only root can read, and makes it if it is missing. The server and a terminal may have
 * it open at the same time: what one writes, the other reads at once. `onUnnoted` hears why it is not noted that a key was
 * used; the key is good all the same.
 * @throws {StartRefused} when it is damaged
 */
export function openKeys (file: string, onUnnoted: (error: unknown) => void = () => {}) {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    insert: database.prepare('INSERT INTO keys (id, hash, user, role, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    list: database.prepare('SELECT * FROM keys ORDER BY created_at, id'),
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
      onUnnoted(error) // a full disk: who ends a session makes room
    }
  }

  return {
    /** Makes a key. Its `secret` is what the user sends, and is told here only. */
    create ({ user, role, scopes, expiresAt }: NewKey, now = new Date()): { key: ApiKey, secret: string } {
      const id = randomBytes(6).toString('hex')
      const secret = KEY_PREFIX + newToken()
      statements.insert.run(id, hashToken(secret), user, role, JSON.stringify(scopes), now.toISOString(), expiresAt?.toISOString() ?? null)
      return { key: { id, user, role, scopes, createdAt: now, ...(expiresAt && { expiresAt }) }, secret }
    },
    /** All keys, oldest first, also those that open nothing any more. */
    list: (): ApiKey[] => statements.list.all().map(toKey),
    /** Takes the key out of force, for good; undefined when there is none with this id. */
    revoke (id: string, now = new Date()): ApiKey | undefined {
      const row = statements.revoke.get(now.toISOString(), id)
      return row && toKey(row)
    },
    /** Forgets the key, as if it had never been. */
    remove (id: string): void {
      statements.remove.run(id)
    },
    /** The key whose secret this is, if it is in force; notes that it was used. */
    find (secret: string, now = new Date()): ApiKey | undefined {
      const row = statements.find.get(hashToken(secret))
      const key = row && toKey(row)
      if (!key || !isInForce(key, now)) return undefined
      if (now.getTime() - (key.lastUsedAt?.getTime() ?? 0) > USED_MS) noteUse(key.id, now)
      return key
    },
    /** Whether the key with this id opens anything. */
    isInForce (id: string, now = new Date()): boolean {
      const row = statements.get.get(id)
      return row !== undefined && isInForce(toKey(row), now)
    },
    close (): void {
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
