import { KEPT_DAYS, type Counted, type StatisticsStore } from '#domain/operations/statistics-store.ts'
import { atomically, openOrRefuse } from './database.ts'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 500;
  PRAGMA secure_delete = ON;
  CREATE TABLE IF NOT EXISTS days (
    day TEXT PRIMARY KEY,
    created INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    peak INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS day_users (day TEXT, user TEXT, PRIMARY KEY (day, user)) STRICT, WITHOUT ROWID;
`

/** Opens the statistics in `file`, which only root can read, and makes them if they are missing. @throws {StartRefused} when they are damaged */
export async function openStatistics (file: string): Promise<StatisticsStore> {
  const database = openOrRefuse(file, SCHEMA)
  const add = 'INSERT INTO days (day, WHAT, peak) VALUES (:day, 1, :peak) ON CONFLICT (day) DO UPDATE SET WHAT = WHAT + 1, peak = max(peak, :peak)'
  const count = (what: Counted) => database.prepare(add.replaceAll('WHAT', what))
  const statements = {
    created: count('created'),
    failed: count('failed'),
    ended: count('ended'),
    user: database.prepare('INSERT OR IGNORE INTO day_users VALUES (?, ?)'),
    forget: database.prepare("UPDATE day_users SET user = ' ' || hex(randomblob(12)) WHERE (user = :user OR day < :before) AND user NOT LIKE ' %'"), // no user's name begins with a space
    days: database.prepare('SELECT *, (SELECT count(*) FROM day_users WHERE day_users.day = days.day) AS users FROM days ORDER BY day DESC LIMIT ?')
  }
  const oldest = new Date(Date.now() - KEPT_DAYS * 86_400_000).toISOString().slice(0, 10)
  for (const table of ['days', 'day_users']) database.prepare(`DELETE FROM ${table} WHERE day < ?`).run(oldest)

  return {
    async count (what, user, atOnce, now = new Date()) {
      const day = now.toISOString().slice(0, 10)
      atomically(database, () => {
        statements[what].run({ day, peak: atOnce })
        if (what === 'created') statements.user.run(day, user)
      })
    },
    async forget (whom) {
      const { changes } = statements.forget.run({ user: null, before: null, ...whom })
      if (changes > 0) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return Number(changes)
    },
    async days (limit) {
      const number = (value: unknown) => Number(value)
      return statements.days.all(limit).map(({ day, created, failed, ended, users, peak }) => ({
        day: String(day), created: number(created), failed: number(failed), ended: number(ended), users: number(users), peak: number(peak)
      }))
    },
    async close () {
      database.close()
    }
  }
}
