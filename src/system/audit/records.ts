import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Noun } from '#domain/machine/audit.ts'
import { parseFacts, type Account, type Session, type SessionState } from '#domain/session.ts'

/** What the registry says, read beside the server that may have it open: sessions that have not ended, and all accounts. */
export interface Records { live: Session[], accounts: Map<string, Account>, ids: Set<string> }

export const NO_RECORDS: Records = { live: [], accounts: new Map(), ids: new Set() }

/** Reads the registry in `file`; nothing is written. Without the file, there are no sessions. */
export function readRecords (file: string): Records {
  if (!existsSync(file)) return NO_RECORDS
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout = 2000')
    if (!database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sessions'").get()) return NO_RECORDS
    const sessions = database.prepare('SELECT state, version, facts FROM sessions').all()
      .map(row => ({ ...parseFacts(String(row.facts)), state: String(row.state) as SessionState, version: Number(row.version) }))
    return {
      live: sessions.filter(({ state }) => state !== 'ended' && state !== 'failed'),
      accounts: new Map(sessions.map(({ account }) => [account.name, account])),
      ids: new Set(sessions.map(({ id }) => id))
    }
  } finally {
    database.close()
  }
}

/** Records: without a server, nobody works on one that is not ready. */
export function records (read: () => Records): Noun {
  return {
    noun: 'records',
    observe: () => read().live.map(({ id, state }) => ({ kind: 'record', name: `${id} ${state}`, owner: id }))
  }
}
