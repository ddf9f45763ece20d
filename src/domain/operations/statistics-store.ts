/** What can happen to a session that is counted. */
export type Counted = 'created' | 'failed' | 'ended'

/** What a day (UTC, `2026-01-31`) brought: how many sessions, of how many users, and the most at once (`peak`). */
export interface Day extends Record<Counted, number> { day: string, users: number, peak: number }

/** Days are kept so long; older ones are forgotten when the store is opened. */
export const KEPT_DAYS = 400

/**
 * Counts an instance's sessions by day. Methods may be called until `close` and take effect in the order of the calls,
 * whether or not the caller waits. They reject when the backend cannot read or write; then nothing has changed.
 */
export interface StatisticsStore {
  /** Counts what happened at `now`, while there were `atOnce` sessions, in one step. `user` counts once a day, as one for whom a session was created. */
  count (what: Counted, user: string, atOnce: number, now?: Date): Promise<void>
  /** The last days on which something happened, newest first. */
  days (limit: number): Promise<Day[]>
  /** Gives back what the store holds, once all that was counted is written. Call it once, last. */
  close (): Promise<void>
}
