import { once } from 'node:events'
import pino from 'pino'

/** What waits for a reader that is slow. Beyond, lines are lost: the server does not wait, nor keep them for ever. */
const UNREAD_BYTES = 4 * 1024 * 1024
const WRITTEN_MS = 2000

/** The server's log, on standard output. */
export interface ServerLog {
  log: pino.Logger
  /** Waits until all is written, or for two seconds if nobody reads it. To be awaited before the process exits. */
  written (): Promise<void>
}

/** Opens the log. Whoever reads it may stop reading, or go: the server goes on without, and ends as ever. */
export function openLog (level: string): ServerLog {
  const out = pino.destination({ dest: 1, sync: false, maxLength: UNREAD_BYTES })
  let isRead = true
  out.on('error', () => {
    isRead = false
    out.write = () => true
  })
  // pino calls it when the process exits, and after "fatal" lines; where nobody reads, it tries for ever
  out.flushSync = () => {}
  return {
    log: pino({ level }, out),
    async written () {
      if (!isRead) return
      const drained = once(out, 'drain', { signal: AbortSignal.timeout(WRITTEN_MS) })
      out.write('')
      await drained.catch(() => {}) // nobody reads it, or not now
    }
  }
}
