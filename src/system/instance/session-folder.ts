import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseFacts, type SessionFacts } from '#domain/session.ts'
import { readSealed, writeSealed, type SealedFile } from './sealed-file.ts'

// A session's facts are in its folder as well as in the registry. A lost registry is rebuilt from the folders, so that
// intact sessions are adopted and all others undone.

const FACTS = 'facts.json'
const READY = 'ready'
const EXTENSION = 'extension.json'

/** Makes the session's folder, owned by root, and writes the facts into it. */
export function makeSessionFolder (dir: string, facts: SessionFacts): void {
  mkdirSync(dir, { mode: 0o700 })
  writeFileSync(join(dir, `${FACTS}.new`), JSON.stringify(facts), { mode: 0o600, flush: true })
  renameSync(join(dir, `${FACTS}.new`), join(dir, FACTS))
}

/** Notes that the creation has completed. */
export function markReady (dir: string): void {
  writeFileSync(join(dir, READY), '', { mode: 0o600 })
}

/** Writes the state of the extension in the session's browser, sealed, for the next server. */
export async function keepExtension (place: Omit<SealedFile, 'name'>, extension: object): Promise<void> {
  await writeSealed({ ...place, name: EXTENSION }, JSON.stringify(extension))
}

/** The last written state; undefined when there is none or it cannot be read. */
export async function keptExtension (place: Omit<SealedFile, 'name'>): Promise<unknown> {
  try {
    return JSON.parse(await readSealed({ ...place, name: EXTENSION }) ?? '')
  } catch {
    return undefined // the next server loads the extension again
  }
}

export function removeSessionFolder (dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

/**
 * The sessions of the folders below `sessions`. A folder without facts belongs to a session of which nothing else was made.
 * Calls `onDamaged` with the id of a session whose facts cannot be read; the audit finds its leftovers.
 */
export function readSessionFolders (sessions: string, onDamaged: (id: string, error: unknown) => void): { facts: SessionFacts, state: 'creating' | 'ready' }[] {
  return readdirSync(sessions).flatMap(id => {
    const dir = join(sessions, id)
    if (!existsSync(join(dir, FACTS))) return []
    try {
      return [{ facts: parseFacts(readFileSync(join(dir, FACTS), 'utf8')), state: existsSync(join(dir, READY)) ? 'ready' as const : 'creating' as const }]
    } catch (error) {
      onDamaged(id, error)
      return []
    }
  })
}
