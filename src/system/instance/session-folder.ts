import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseFacts, type SessionFacts } from '#domain/session.ts'

// What a session was made from stands in its folder as well as in the registry: a registry that was lost is rebuilt
// from the folders, so that sessions that live are taken over and all others undone.

const FACTS = 'facts.json'
const READY = 'ready'
const EXTENSION = 'extension.json'

/** Makes the session's folder, root's own, and writes the facts into it. */
export function makeSessionFolder (dir: string, facts: SessionFacts): void {
  mkdirSync(dir, { mode: 0o700 })
  writeFileSync(join(dir, `${FACTS}.new`), JSON.stringify(facts), { mode: 0o600, flush: true })
  renameSync(join(dir, `${FACTS}.new`), join(dir, FACTS))
}

/** Notes that the creation came to its end. */
export function markReady (dir: string): void {
  writeFileSync(join(dir, READY), '', { mode: 0o600 })
}

/** Keeps what the session's browser runs, for the server after this one. */
export async function keepExtension (dir: string, extension: object): Promise<void> {
  await writeFile(join(dir, `${EXTENSION}.new`), JSON.stringify(extension), { mode: 0o600 })
  await rename(join(dir, `${EXTENSION}.new`), join(dir, EXTENSION))
}

/** What was kept last; undefined where nothing was, or it cannot be read. */
export async function keptExtension (dir: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dir, EXTENSION), 'utf8'))
  } catch {
    return undefined // the extension is loaded again
  }
}

export function removeSessionFolder (dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

/**
 * What the folders below `sessions` tell of sessions. A folder without facts has nothing but itself: it was never used.
 * Calls `onDamaged` with the id of one whose facts cannot be read; whoever audits finds what is left of its session.
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
