import type { SQLOutputValue } from 'node:sqlite'
import type { Login, ProviderSession } from '#domain/access/login.ts'
import { bindingsOf, isOfSession } from './provider-session.ts'
import { openOrRefuse } from './database.ts'
import { hashToken, newToken } from '#domain/access/token.ts'

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

/** The most logins per user. One more ends the login that was used least recently. */
const MOST_OF_A_USER = 50

/** A login is called by the beginning of its token's hash. */
const ID_LENGTH = 16
const HAS_ID = "hash BETWEEN :id AND :id || 'g'" // whatever follows in it, and so that the index finds it

/** A login as it is kept. */
export type KeptLogin = Login & { id: string }

/** The logins of an instance. */
export type LoginStore = ReturnType<typeof openLogins>

/** Opens the logins in `file`, which only root can read, and makes it if it is missing. @throws {StartRefused} when it is damaged */
export function openLogins (file: string) {
  const database = openOrRefuse(file, SCHEMA)
  const statements = {
    insert: database.prepare('INSERT INTO logins VALUES (?, ?, ?, ?, ?)'),
    find: database.prepare('SELECT * FROM logins WHERE hash = ?'),
    get: database.prepare(`SELECT * FROM logins WHERE ${HAS_ID}`),
    seen: database.prepare(`UPDATE logins SET seen_at = :now WHERE ${HAS_ID}`),
    remove: database.prepare('DELETE FROM logins WHERE hash = ? RETURNING *'),
    removeOf: database.prepare(`DELETE FROM logins WHERE ${isOfSession('login')} RETURNING user`),
    prunePerUser: database.prepare(`DELETE FROM logins WHERE user = :user AND hash NOT IN (SELECT hash FROM logins WHERE user = :user ORDER BY seen_at DESC LIMIT ${MOST_OF_A_USER})`),
    list: database.prepare('SELECT * FROM logins WHERE user = ? ORDER BY seen_at DESC'),
    removeById: database.prepare(`DELETE FROM logins WHERE user = :user AND ${HAS_ID}`),
    removeAll: database.prepare('DELETE FROM logins WHERE user = ? AND hash IS NOT ?'),
    prune: database.prepare('DELETE FROM logins WHERE created_at < ? OR seen_at < ?')
  }

  return {
    /** Returns the new login's token, which is what the browser keeps. */
    create (login: Login): string {
      const token = newToken()
      const now = login.createdAt.toISOString()
      statements.insert.run(hashToken(token), JSON.stringify(login), login.principal.user, now, now)
      statements.prunePerUser.run({ user: login.principal.user })
      return token
    },
    find (token: string): KeptLogin | undefined {
      const row = statements.find.get(hashToken(token))
      return row && toLogin(row)
    },
    /** The one with this id. */
    get (id: string): KeptLogin | undefined {
      const row = statements.get.get({ id })
      return row && toLogin(row)
    },
    /** Notes that it is used. */
    seen (id: string, now: Date): void {
      statements.seen.run({ id, now: now.toISOString() })
    },
    /** Removes the login, and returns it. */
    remove (token: string): KeptLogin | undefined {
      const row = statements.remove.get(hashToken(token))
      return row && toLogin(row)
    },
    /** Removes those that this session at the provider opened, or all of its person's where no `sid` is given; returns the user of each. */
    removeOf: (session: ProviderSession): string[] => statements.removeOf.all(bindingsOf(session)).map(({ user }) => String(user)),
    /** Those of a user, the one that was used last first. */
    list: (user: string): KeptLogin[] => statements.list.all(user).map(toLogin),
    idOf: (token: string) => hashToken(token).slice(0, ID_LENGTH),
    /** Returns whether the user had this one. */
    removeById: (user: string, id: string): boolean => id.length === ID_LENGTH && Number(statements.removeById.run({ user, id }).changes) > 0,
    /** Removes all of a user's but the one of this token, and returns how many. */
    removeAll: (user: string, butToken?: string): number => Number(statements.removeAll.run(user, butToken === undefined ? null : hashToken(butToken)).changes),
    /** Forgets what was opened, or used last, before these times. */
    prune (createdBefore: Date, seenBefore: Date): void {
      statements.prune.run(createdBefore.toISOString(), seenBefore.toISOString())
    },
    close (): void {
      database.close()
    }
  }
}

function toLogin (row: Record<string, SQLOutputValue>): KeptLogin {
  return { id: String(row.hash).slice(0, ID_LENGTH), ...JSON.parse(String(row.login)) as Login, createdAt: new Date(String(row.created_at)), seenAt: new Date(String(row.seen_at)) }
}
