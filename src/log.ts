import { once } from 'node:events'
import pino from 'pino'

/** The most bytes that are kept for a slow reader. Further lines are lost: the server neither waits nor keeps them. */
const UNREAD_BYTES = 4 * 1024 * 1024
const WRITTEN_MS = 2000

/** The server's log, on standard output. */
export interface ServerLog {
  log: pino.Logger
  /** Waits until all lines are written, for two seconds at most. Await it before the process exits. */
  written (): Promise<void>
}

/** Opens the log. Its reader may stop reading, or go away: the server goes on, and ends as usual. */
export function openLog (level: string): ServerLog {
  const out = pino.destination({ dest: 1, sync: false, maxLength: UNREAD_BYTES })
  let isRead = true
  out.on('error', () => {
    isRead = false
    out.write = () => true
  })
  // pino calls flushSync when the process exits, and after "fatal" lines; without a reader, it would try for ever
  out.flushSync = () => {}
  return {
    log: pino({ level }, out),
    async written () {
      if (!isRead) return
      const drained = once(out, 'drain', { signal: AbortSignal.timeout(WRITTEN_MS) })
      out.write('')
      await drained.catch(() => {}) // there is no reader, or it has stopped
    }
  }
}
