/** The changes of sessions that are counted. */
export type Counted = 'created' | 'failed' | 'ended'

/** The counts of one day (UTC, `2026-01-31`): sessions, users, and the most sessions at once (`peak`). */
export interface Day extends Record<Counted, number> { day: string, users: number, peak: number }

/** The number of days that are kept. Older ones are forgotten when the store is opened. */
export const KEPT_DAYS = 400

/**
 * Counts an instance's sessions by day. Methods may be called until `close` and take effect in the order of the calls,
 * whether or not the caller waits. They reject when the backend cannot read or write; then nothing has changed.
 */
export interface StatisticsStore {
  /** Counts one change at `now`, while there are `atOnce` sessions, in one step. `user` counts once a day among the users for whom a session was created. */
  count (what: Counted, user: string, atOnce: number, now?: Date): Promise<void>
  /** The last days with any count, newest first. */
  days (limit: number): Promise<Day[]>
  /** Forgets who was counted: this user on all days, or everybody before this day. The counts stay. Resolves with the number of names. */
  forget (whom: { user: string } | { before: string }): Promise<number>
  /** Releases the store's resources, once all counts are written. Call it once, last. */
  close (): Promise<void>
}
