import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SessionEvent } from '#domain/live/event.ts'
import { ifGone } from '#system/kernel/gone.ts'

const NAME = 'history'

/** Writes a session's events to its root-owned folder, one JSON object a line, for the next server. */
export async function writeEvents (dir: string, events: readonly SessionEvent[]): Promise<void> {
  const text = events.map(event => JSON.stringify(event) + '\n').join('')
  await writeFile(join(dir, `${NAME}.new`), text, { mode: 0o600 })
  await rename(join(dir, `${NAME}.new`), join(dir, NAME))
}

/** The written events, without unreadable ones; none when there is no file. */
export async function readEvents (dir: string): Promise<SessionEvent[]> {
  const text = await readFile(join(dir, NAME), 'utf8').catch(ifGone()) ?? ''
  return text.split('\n').filter(Boolean).flatMap(line => {
    try {
      return [JSON.parse(line) as SessionEvent]
    } catch {
      return [] // a power failure cut the write off
    }
  })
}
