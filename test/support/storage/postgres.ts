import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from '#support/servers/free-port.ts'
import { TEST_DATA } from '#support/servers/server.ts'
import { asNobody, newServer, ownFolder, type StoreServer } from './program.ts'

/** Debian's PostgreSQL, where set-up for tests has unpacked it. */
const PROGRAMS = `${TEST_DATA}/postgresql-15/usr/lib/postgresql/15/bin`

/** A password that must be encoded in an address. */
export const PASSWORD = 'p@ss/word:%'

/** Starts a PostgreSQL with a new cluster, until the test ends. `further` are settings of postgresql.conf. */
export async function startPostgres (t: Test, further: Record<string, string> = {}): Promise<StoreServer> {
  const folder = ownFolder(t, 'postgres')
  writeFileSync(`${folder}/password`, PASSWORD, { mode: 0o644 })
  const initdb = [`${PROGRAMS}/initdb`, '-D', `${folder}/data`, '-U', 'ex10', '-A', 'scram-sha-256', `--pwfile=${folder}/password`, '-N', '-E', 'UTF8', '--no-locale', '--wal-segsize=1', '--no-instructions']
  execFileSync('setpriv', asNobody('KILL', initdb), { cwd: '/', stdio: ['ignore', 'ignore', 'inherit'] })
  const port = await freePort()
  const url = `postgres://ex10:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: 200, shared_buffers: '32MB', jit: 'off', ...further }
  return await newServer(t, {
    url,
    argv: [`${PROGRAMS}/postgres`, '-D', `${folder}/data`, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    signal: 'SIGINT',
    answers: () => query(url, 'SELECT 1').then(() => true, () => false)
  })
}

/** Runs one statement, on a connection of its own. */
export async function query (url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => {}) // the server ends meanwhile
  try {
    await client.connect()
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

let schemas = 0

/** The address of a new, empty schema of the database. */
export async function newSchema (url: string): Promise<string> {
  const schema = `s${++schemas}`
  await query(url, `CREATE SCHEMA ${schema}`)
  return `${url}?options=${encodeURIComponent(`-csearch_path=${schema}`)}`
}
