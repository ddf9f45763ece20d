import type { Noun } from '#domain/machine/audit.ts'
import { hasEnded, type Account, type Session } from '#domain/session.ts'
import { readRegistry } from '#stores/sqlite/registry.ts'

/** The registry's content: sessions that have not ended, and all accounts. It can be read while the server has the registry open. */
export interface Records { live: Session[], accounts: Map<string, Account>, ids: Set<string> }

export const NO_RECORDS: Records = { live: [], accounts: new Map(), ids: new Set() }

/** Reads the registry in `file`; nothing is written. Without the file, there are no sessions. */
export function readRecords (file: string): Records {
  const sessions = readRegistry(file)
  return {
    live: sessions.filter(({ state }) => !hasEnded(state)),
    accounts: new Map(sessions.map(({ account }) => [account.name, account])),
    ids: new Set(sessions.map(({ id }) => id))
  }
}

/** The records of sessions that have not ended. Without a running server, no process works on a session that is not ready. */
export function records (read: () => Records): Noun {
  return {
    noun: 'records',
    observe: () => read().live.map(({ id, state }) => ({ kind: 'record', name: `${id} ${state}`, owner: id }))
  }
}
