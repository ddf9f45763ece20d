import type { ClockNote } from './clocks.ts'

/**
 * Keeps the state of the clocks of this machine's sessions, for the next server. Methods may be called while the registry
 * is open, and take effect in the order of the calls. They reject when the backend cannot read or write; then nothing
 * has changed.
 */
export interface ClockStore {
  /** Notes these sessions' clocks, all or none: one write of many costs as much as one of a single note. Ignores ids that are not recorded. */
  note (notes: Iterable<readonly [id: string, note: ClockNote]>): Promise<void>
  /** The session's last note. */
  noted (id: string): Promise<ClockNote | undefined>
}
