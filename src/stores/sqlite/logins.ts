import type { SQLOutputValue } from 'node:sqlite'
import { isLoginId, loginIdOf, type Login } from '#domain/access/login.ts'
import { MOST_LOGINS, type KeptLogin, type LoginStore } from '#domain/access/login-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'
import { atomically, openOrRefuse } from './database.ts'
import { bindingsOf, isOfSession } from './provider-session.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS logins (
    hash TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    user TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL
  ) STRICT;
`

/** A login's id is the beginning of its hash. Every hash with this beginning lies between the two bounds, and the index finds it. */
const HAS_ID = "hash BETWEEN :id AND :id || 'g'"
const LESS_RECENT = `SELECT hash FROM logins WHERE user = :user AND hash IS NOT :hash ORDER BY seen_at DESC, rowid DESC LIMIT -1 OFFSET ${MOST_LOGINS - 1}`

/** Opens the logins in `file`, which only root can read, and makes it if it is missing. @throws {StartRefused} when it is damaged */
export async function openLogins (file: string): Promise<LoginStore> {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    insert: database.prepare('INSERT INTO logins VALUES (?, ?, ?, ?, ?)'),
    find: database.prepare('SELECT * FROM logins WHERE hash = ?'),
    get: database.prepare(`SELECT * FROM logins WHERE ${HAS_ID}`),
    seen: database.prepare(`UPDATE logins SET seen_at = max(seen_at, :now) WHERE ${HAS_ID}`),
    remove: database.prepare('DELETE FROM logins WHERE hash = ? RETURNING *'),
    removeOf: database.prepare(`DELETE FROM logins WHERE ${isOfSession('login')} RETURNING user`),
    removeLessRecent: database.prepare(`DELETE FROM logins WHERE hash IN (${LESS_RECENT})`),
    list: database.prepare('SELECT * FROM logins WHERE user = ? ORDER BY seen_at DESC, rowid DESC'),
    removeById: database.prepare(`DELETE FROM logins WHERE user = :user AND ${HAS_ID}`),
    removeAll: database.prepare('DELETE FROM logins WHERE user = ? AND hash IS NOT ?'),
    prune: database.prepare('DELETE FROM logins WHERE created_at < ? OR seen_at < ?')
  }

  return {
    async create (login) {
      const token = newToken()
      const hash = hashToken(token)
      const now = login.createdAt.toISOString()
      const { user } = login.principal
      atomically(database, () => {
        statements.insert.run(hash, JSON.stringify(login), user, now, now)
        statements.removeLessRecent.run({ user, hash })
      })
      return token
    },
    async find (token) {
      const row = statements.find.get(hashToken(token))
      return row && toLogin(row)
    },
    async get (id) {
      const row = isLoginId(id) ? statements.get.get({ id }) : undefined
      return row && toLogin(row)
    },
    async seen (id, now) {
      if (isLoginId(id)) statements.seen.run({ id, now: now.toISOString() })
    },
    async remove (token) {
      const row = statements.remove.get(hashToken(token))
      return row && toLogin(row)
    },
    removeOf: async session => statements.removeOf.all(bindingsOf(session)).map(({ user }) => String(user)),
    list: async user => statements.list.all(user).map(toLogin),
    removeById: async (user, id) => isLoginId(id) && Number(statements.removeById.run({ user, id }).changes) > 0,
    removeAll: async (user, butToken) => Number(statements.removeAll.run(user, butToken === undefined ? null : hashToken(butToken)).changes),
    async prune (createdBefore, seenBefore) {
      statements.prune.run(createdBefore.toISOString(), seenBefore.toISOString())
    },
    async close () {
      database.close()
    }
  }
}

function toLogin (row: Record<string, SQLOutputValue>): KeptLogin {
  return { id: loginIdOf(String(row.hash)), ...JSON.parse(String(row.login)) as Login, createdAt: new Date(String(row.created_at)), seenAt: new Date(String(row.seen_at)) }
}
