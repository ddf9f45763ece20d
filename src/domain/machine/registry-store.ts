import type { CompletedCreation, EndReason, EndState, SessionFacts, SessionRecord } from '#domain/session.ts'

/**
 * The journal of this machine's sessions. The next server needs it to continue the intact sessions and to undo all others.
 * A running server uses `SessionRegistry`, which keeps the sessions that have not ended in memory. It reads the journal when
 * it starts, and for sessions that have ended.
 *
 * It stays on this machine, whatever other stores are chosen: an unreachable database must not keep a server from
 * cleaning up.
 *
 * Methods may be called until `close`, and take effect in the order of the calls. A change whose promise has resolved is
 * there for the next server, also after kill -9. Each settles within seconds, and rejects when the backend cannot read or write; then
 * nothing has changed, and nothing changes later.
 */
export interface RegistryStore {
  /** Writes the intent to make a session, in the state `creating`; call it before anything is made. Rejects when the id is known. */
  record (facts: SessionFacts): Promise<void>
  /** Records a session that is found on the machine, unless there is a record with its id, of an ended session, too. Resolves with whether it was recorded now. Call it at the start. */
  restore (facts: SessionFacts, state: 'creating' | 'ready'): Promise<boolean>
  /** Writes that the session's creation has completed. */
  ready (id: string): Promise<void>
  /** Writes that the session's teardown begins. The reason replaces that of an earlier try. Does nothing when the id is not known. */
  stopping (id: string, reason: EndReason): Promise<void>
  /** Writes that only the record of the session is left. May be called again; does nothing when the id is not known. */
  ended (id: string, state: EndState): Promise<void>
  /** Counts one push to the session, and resolves with the new number of pushes. Rejects when the id is not known. */
  addVersion (id: string): Promise<number>
  /** All sessions that have not ended, oldest first. */
  live (): Promise<SessionRecord[]>
  /** A session's record, also of an ended session until it is pruned. */
  find (id: string): Promise<SessionRecord | undefined>
  /** The last completed creation by a request with this key (`KeyedRequest`), until its session has ended and is pruned. */
  findCompleted (key: string): Promise<CompletedCreation | undefined>
  /** Forgets the sessions that ended before `date`. */
  prune (date: Date): Promise<void>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}

/** How many uids of the range have been taken: a fact of this machine, kept beside its sessions. Errors are thrown at once. */
export interface UidCounter {
  /** The number; undefined when it was never set or has been lost. */
  get (): number | undefined
  /** Writes the number. Once this returns, it is there for the next server. */
  set (taken: number): void
}
