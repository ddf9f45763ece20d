import { existsSync, mkdirSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StartRefused } from '#errors.ts'
import { textNow } from '#system/kernel/gone.ts'
import { parseStat } from '#system/kernel/processes.ts'
import { openOrRefuse } from '#stores/sqlite/database.ts'

/** The part of the machine that an instance claims. */
export interface Claim {
  instance: string
  dataDir: string
  uidMin: number
  uidMax: number
  ports: [number, number][]
}

const FOLDER = '/run/ex10'
const CLAIMS = `${FOLDER}/instances.db`

/** Another instance or program on this machine has a part of this server's claim. */
export class ClaimRefused extends StartRefused {}

/**
 * Claims a part of the machine for this instance. A claim lasts until it is released: the claim of a killed server still
 * covers the sessions that it left, and only the same instance may take it over.
 * @throws {ClaimRefused} with a message of one line
 */
export function claimInstance (claim: Claim): { keep: () => void, release: () => void } {
  mkdirSync(FOLDER, { recursive: true, mode: 0o755 })
  const database = openClaims()
  try {
    database.exec('BEGIN IMMEDIATE')
    for (const row of database.prepare('SELECT * FROM claims').all()) {
      const other = JSON.parse(String(row.claim)) as Claim
      const running = startTime(Number(row.pid)) === row.start_time
      const conflict = other.instance === claim.instance ? running && 'is already running' : overlap(claim, other)
      if (conflict) throw new ClaimRefused(`instance ${other.instance} (pid ${row.pid}${running ? '' : ', not running: start it once to clean up'}) ${conflict}`)
    }
    database.prepare('INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)').run(claim.instance, process.pid, startTime(process.pid) ?? 0, JSON.stringify(claim))
    database.exec('COMMIT')
  } catch (error) {
    database.close() // rolls back
    throw error
  }
  return {
    /** Keeps the claim for the next start of this instance. */
    keep () {
      database.close()
    },
    release () {
      database.prepare('DELETE FROM claims WHERE instance = ? AND pid = ?').run(claim.instance, process.pid)
      database.close()
    }
  }
}

/** The pid of the instance's server, if one runs. */
export function runningServer (instance: string): number | undefined {
  if (!existsSync(CLAIMS)) return undefined
  const database = new DatabaseSync(CLAIMS, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout = 5000')
    const row = database.prepare('SELECT pid, start_time FROM claims WHERE instance = ?').get(instance)
    const pid = Number(row?.pid)
    return row && startTime(pid) === row.start_time ? pid : undefined
  } finally {
    database.close()
  }
}

/** Does the work while no server runs on the data folder, and none can start. @throws {ClaimRefused} when one runs */
export function withoutServer (dataDir: string, work: () => void): void {
  mkdirSync(FOLDER, { recursive: true, mode: 0o755 })
  const database = openClaims()
  try {
    database.exec('BEGIN IMMEDIATE')
    for (const row of database.prepare('SELECT * FROM claims').all()) {
      const { instance, dataDir: other } = JSON.parse(String(row.claim)) as Claim
      if (other === dataDir && startTime(Number(row.pid)) === row.start_time) throw new ClaimRefused(`instance ${instance} (pid ${row.pid}) runs on ${dataDir}: end it first`)
    }
    work()
  } finally {
    database.close() // rolls back
  }
}

/** Does the work while no other process of this machine does a work of this name. @throws {ClaimRefused} when one does */
export async function alone<Result> (name: string, work: () => Promise<Result>): Promise<Result> {
  mkdirSync(FOLDER, { recursive: true, mode: 0o755 })
  const database = openOrRefuse(`${FOLDER}/${name}.db`, '')
  try {
    lock(database, `another ${name} is under way on this machine: wait for its end`)
    return await work()
  } finally {
    database.close() // ends the lock, as the end of the process does
  }
}

function lock (database: DatabaseSync, otherwise: string): void {
  try {
    database.exec('BEGIN IMMEDIATE')
  } catch (cause) {
    throw new ClaimRefused(otherwise, { cause })
  }
}

function openClaims (): DatabaseSync {
  return openOrRefuse(CLAIMS, 'PRAGMA busy_timeout = 5000; CREATE TABLE IF NOT EXISTS claims (instance TEXT PRIMARY KEY, pid INTEGER, start_time INTEGER, claim TEXT) STRICT')
}

function overlap (mine: Claim, other: Claim): string | undefined {
  if (mine.dataDir === other.dataDir) return `uses the same EX10_DATA_DIR ${other.dataDir}`
  if (mine.uidMin <= other.uidMax && other.uidMin <= mine.uidMax) return `has uids ${other.uidMin}-${other.uidMax}: set EX10_UID_MIN and EX10_UID_MAX apart`
  for (const [first, last] of mine.ports) {
    const shared = other.ports.find(([otherFirst, otherLast]) => first <= otherLast && otherFirst <= last)
    if (shared) return `has ports ${shared.join('-')}: set EX10_PORT_BASE apart`
  }
}

function startTime (pid: number): number | undefined {
  const line = textNow(`/proc/${pid}/stat`)
  return line === undefined ? undefined : parseStat(line).startTime
}
