import type { SessionEvent } from '#domain/live/event.ts'
import { readSealed, writeSealed, type SealedFile } from './sealed-file.ts'

type Place = Omit<SealedFile, 'name'>

const NAME = 'history'

/** Writes a session's events to its root-owned folder, sealed, one JSON object a line, for the next server. */
export async function writeEvents (place: Place, events: readonly SessionEvent[]): Promise<void> {
  await writeSealed({ ...place, name: NAME }, events.map(event => JSON.stringify(event) + '\n').join(''))
}

/** The written events, without unreadable ones; none when there is no file. @throws {Ex10Error} EX10_SEAL_BROKEN */
export async function readEvents (place: Place): Promise<SessionEvent[]> {
  const text = await readSealed({ ...place, name: NAME }) ?? ''
  return text.split('\n').filter(Boolean).flatMap(line => {
    try {
      return [JSON.parse(line) as SessionEvent]
    } catch {
      return [] // a power failure cut the write off
    }
  })
}
