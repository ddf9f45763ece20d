import type { AuditedAction, AuditedDeed } from './audit-log.ts'

/**
 * One line of the log. `seq` counts from 1; `hash` covers the entry and, through the one before it, all earlier ones
 * (`linkOf`). `erased`: what it said of a user is gone.
 */
export interface AuditLogEntry extends AuditedDeed { seq: number, at: string, hash: string, erased?: true }

/** Selects at most `limit` entries: the newest below `before` with this user, action and target. */
export interface AuditLogQuery { before?: number | undefined, user?: string | undefined, action?: AuditedAction | undefined, target?: string | undefined, limit: number }

/** The newest entry's number and hash; 0 and `FIRST_LINK` of an empty log. A copy kept elsewhere shows later whether the end of the log was cut off. */
export interface AuditLogHead { seq: number, hash: string }

/**
 * Keeps the audit log of an instance: entries are added, never removed, and never changed but for what they say of an erased user. The server and a terminal
 * command may add to it at the same time. Methods may be called until `close` and take effect in the order of the calls,
 * whether or not the caller waits. They reject when the backend cannot read or write; then nothing has changed.
 */
export interface AuditLogStore {
  /** Adds an entry, with the next number and the hash computed from the entry before it, in one step. */
  append (deed: AuditedDeed, at?: Date): Promise<void>
  /** Entries, newest first. */
  page (query: AuditLogQuery): Promise<AuditLogEntry[]>
  head (): Promise<AuditLogHead>
  /**
   * Checks the log from its beginning, while other callers read and add. Resolves with the number of the first entry
   * that was changed or whose predecessor is missing, with 0 when there is an entry before the first, and with undefined
   * when the log is intact. Rejects when the signal is aborted before the end is reached.
   */
  firstBroken (signal: AbortSignal): Promise<number | undefined>
  /**
   * Erases what entries say of the user, and resolves with the number of these entries. The chain stays
   * intact: it covers hashes of people with a salt, which is erased, too. Entries of earlier versions are rewritten, and a new entry vouches for them.
   */
  erase (user: string): Promise<number>
  /** Releases the store's resources, once all added entries are written. Call it once, last. */
  close (): Promise<void>
}
