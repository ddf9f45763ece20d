import { Kysely, PostgresDialect, sql, type CompiledQuery } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { StartRefused } from '#errors.ts'
import { shownUrl, textOf, unavailable } from '#stores/unavailable.ts'
import { MIGRATIONS } from './migrations.ts'

/** The tables of the database. */
export interface Tables {
  records: { partition: string, key: string, revision: number, expires_at: Date | null, value: Buffer }
}

export interface Database {
  /** Builds queries. `run` runs them: a connection on which one failed is not used again. */
  db: Kysely<Tables>
  /** Runs one statement, and returns its rows. @throws {Ex10Error} EX10_STORE_UNAVAILABLE */
  run<Row> (query: { compile (): CompiledQuery<Row> }): Promise<Row[]>
  close (): Promise<void>
}

/** The address of a database (postgres://user@host:5432/database?sslmode=…), with the password if it is not in the address. */
export interface PostgresAddress { url: string, password?: string | undefined }

const CONNECTIONS = 10
const CONNECT_MS = 5000
const STATEMENT_MS = 10_000

/**
 * Connects to the database, and brings its tables to this version. Several servers may do so at once.
 * @throws {StartRefused} when it cannot be reached, or a newer version has changed it
 */
export async function openDatabase ({ url, password }: PostgresAddress): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: withPassword(url, password),
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS + 1000, // the server's own limit comes first, unless it has gone
    statement_timeout: STATEMENT_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'ex10'
  })
  pool.on('error', () => {}) // an idle connection broke: the pool makes another one when it needs it
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  try {
    await prepare(db)
  } catch (error) {
    await db.destroy()
    if (error instanceof StartRefused) throw error
    throw new StartRefused(`EX10_STORE=${shownUrl(url)} cannot be used: ${textOf(error)}`)
  }

  return {
    db,
    async run<Row> (query: { compile (): CompiledQuery<Row> }) {
      const { sql, parameters } = query.compile()
      try {
        return (await pool.query(sql, [...parameters])).rows as Row[] // at an error, it closes the connection: a late answer reaches no later query
      } catch (error) {
        throw isAway(error) ? unavailable(error) : error
      }
    },
    close: () => db.destroy()
  }
}

/** An address without a password would count as one with an empty one. */
function withPassword (url: string, password: string | undefined): string {
  if (password === undefined) return url
  const whole = new URL(url)
  whole.password = encodeURIComponent(password)
  return whole.href
}

async function prepare (db: Kysely<Tables>): Promise<void> {
  const found = await sql<{ encoding: string, schema: string | null }>`SELECT current_setting('server_encoding') AS encoding, current_schema() AS schema`.execute(db)
  const { encoding, schema } = found.rows[0]!
  if (encoding !== 'UTF8') throw new Error(`the database has the encoding ${encoding}: create it with ENCODING 'UTF8'`)
  if (schema === null) throw new Error('the schemas of its search_path do not exist: create one')
  const names = { migrationTableName: 'ex10_migrations', migrationLockTableName: 'ex10_migrations_lock', migrationTableSchema: schema }
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS }, ...names })
  const newer = (await executed(db, schema)).find(name => !Object.hasOwn(MIGRATIONS, name))
  if (newer !== undefined) throw new Error(`a newer version of Ex10 has changed the database (${newer}): start that version`)
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}

/** The names of the migrations that the database has had. */
async function executed (db: Kysely<Tables>, schema: string): Promise<string[]> {
  const there = await sql<{ is_there: boolean }>`SELECT to_regclass(${`${schema}.ex10_migrations`}) IS NOT NULL AS is_there`.execute(db)
  if (!there.rows[0]!.is_there) return []
  return (await sql<{ name: string }>`SELECT name FROM ${sql.table('ex10_migrations')}`.execute(db)).rows.map(({ name }) => name)
}

/** Classes of SQLSTATE that say that the server cannot do its work now: connection, transaction rolled back, lack of resources, intervention, system error; and a server that only reads. */
const AWAY = /^(08|28|40|53|57|58|25006)/

function isAway (error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || AWAY.test(error.code ?? '')
}
