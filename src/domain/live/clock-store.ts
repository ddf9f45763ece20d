import type { ClockNote } from './clocks.ts'

/**
 * Keeps how far the clocks of this machine's sessions were, for the next server. Methods may be called while the registry
 * is open, and take effect in the order of the calls. They reject when the backend cannot read or write; then nothing
 * has changed.
 */
export interface ClockStore {
  /** Notes these sessions' clocks, all or none: one write is as dear as many. Passes over ids that are not recorded. */
  note (notes: Iterable<readonly [id: string, note: ClockNote]>): Promise<void>
  /** The note that was written last. */
  noted (id: string): Promise<ClockNote | undefined>
}
