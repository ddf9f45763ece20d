import { chmodSync, closeSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StartRefused } from '#errors.ts'

/**
 * Opens the SQLite database in `file`, which only root can read, and makes the missing parts. `upgrade` adapts a database of
 * an earlier version.
 * @throws {StartRefused} when its disk is full @throws {Error} with SQLite's `errcode` when the file cannot be used as it is
 */
export function openDatabase (file: string, schema: string, upgrade: (database: DatabaseSync) => void = () => {}): DatabaseSync {
  try {
    return open(file, schema, upgrade)
  } catch (cause) {
    const folder = dirname(file)
    if (isFull(folder, cause as Failed)) throw new StartRefused(`the disk of ${folder} is full: free some space there, then start again`, { cause })
    throw cause
  }
}

interface Failed { code?: string, errcode?: number }

/** Numbers of sqlite.org/rescode.html. */
const [IOERR, FULL, CANTOPEN] = [10, 13, 14]
const LITTLE_BYTES = 1024 * 1024

/** Tells whether the error came of a full disk. SQLite calls it an I/O error when it cannot make the files beside the database. */
function isFull (folder: string, { code, errcode }: Failed): boolean {
  const primary = (errcode ?? 0) & 0xff // extended codes add higher bits
  if (code === 'ENOSPC' || code === 'EDQUOT' || primary === FULL) return true
  if (primary !== IOERR && primary !== CANTOPEN) return false
  const { bavail, bsize, files, ffree } = statfsSync(folder)
  return bavail * bsize < LITTLE_BYTES || (files > 0 && ffree === 0)
}

function open (file: string, schema: string, upgrade: (database: DatabaseSync) => void): DatabaseSync {
  closeSync(openSync(file, 'a', 0o600)) // SQLite gives the -wal and -shm files the same mode
  chmodSync(file, 0o600)
  const database = new DatabaseSync(file)
  try {
    database.exec(schema)
    upgrade(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Adds the columns that the table lacks, with their types. */
export function addColumns (database: DatabaseSync, table: string, columns: Record<string, string>): void {
  const there = database.prepare(`PRAGMA table_info(${table})`).all().map(({ name }) => name)
  for (const [name, type] of Object.entries(columns)) {
    if (!there.includes(name)) database.exec(`ALTER TABLE ${table} ADD COLUMN ${name} ${type}`)
  }
}

/** Opens a database that cannot be rebuilt from anything else, as `openDatabase` does. A damaged one is left to the operator. @throws {StartRefused} */
export function openOrRefuse (file: string, schema: string, upgrade?: (database: DatabaseSync) => void): DatabaseSync {
  try {
    return openDatabase(file, schema, upgrade)
  } catch (cause) {
    if (cause instanceof StartRefused) throw cause
    throw new StartRefused(`${file} cannot be used: ${(cause as Error).message}; put a good copy in its place, or move it away to begin without what it held`, { cause })
  }
}

/** Runs the work as one transaction. When the work throws, nothing is written. */
export function atomically<Result> (database: DatabaseSync, work: () => Result): Result {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK') // after a full disk, SQLite has rolled back already
    throw error
  }
}
