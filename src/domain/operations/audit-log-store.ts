import type { AuditedAction, AuditedDeed } from './audit-log.ts'

/** One line of the log. `seq` counts from 1; `hash` covers the entry and, through the one before it, all earlier ones (`linkOf`). */
export interface AuditLogEntry extends AuditedDeed { seq: number, at: string, hash: string }

/** Which entries: at most `limit`, the newest of those below `before` that have this user, action and target. */
export interface AuditLogQuery { before?: number | undefined, user?: string | undefined, action?: AuditedAction | undefined, target?: string | undefined, limit: number }

/** The newest entry's number and hash; 0 and `FIRST_LINK` of an empty log. Kept elsewhere, it tells later whether the end of the log was cut off. */
export interface AuditLogHead { seq: number, hash: string }

/**
 * Keeps the audit log of an instance: entries are added, never changed and never removed. The server and a terminal
 * command may add to it at the same time. Methods may be called until `close` and take effect in the order of the calls,
 * whether or not the caller waits. They reject when the backend cannot read or write; then nothing has changed.
 */
export interface AuditLogStore {
  /** Adds an entry, with the next number and the hash that follows from the entry before it, in one step. */
  append (deed: AuditedDeed, at?: Date): Promise<void>
  /** Entries, newest first. */
  page (query: AuditLogQuery): Promise<AuditLogEntry[]>
  head (): Promise<AuditLogHead>
  /**
   * Checks the log from its beginning, while others go on reading and adding. Resolves with the number of the first entry
   * that was changed or whose predecessor is missing, 0 where an entry stands before the first; undefined when all are as
   * they were written. Rejects when the signal is aborted before the end is reached.
   */
  firstBroken (signal: AbortSignal): Promise<number | undefined>
  /** Gives back what the store holds, once all that was added is written. Call it once, last. */
  close (): Promise<void>
}
