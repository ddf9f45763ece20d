import type { EndReason, EndState, SessionFacts, SessionRecord } from '#domain/session.ts'

/**
 * The journal of this machine's sessions: what the next server needs to go on with those that live, and to undo all
 * others. `SessionRegistry` keeps the sessions that have not ended in memory, and is what the server goes by; the journal
 * is read when the server starts, and asked about sessions that have ended.
 *
 * It stays on this machine, whatever other stores are chosen: a database that is away must not keep a server from
 * cleaning up.
 *
 * Methods may be called until `close`, and take effect in the order of the calls. What has resolved is found by the
 * next server, also after kill -9. Each settles within seconds, and rejects when the backend cannot read or write; then
 * nothing has changed, and nothing changes later.
 */
export interface RegistryStore {
  /** Writes the intent to make a session, in the state `creating`; call it before anything is made. Rejects when the id is known. */
  record (facts: SessionFacts): Promise<void>
  /** Records a session that is found on the machine, unless its id is known, also as that of an ended one. Resolves with whether it was not. Call it at the start. */
  restore (facts: SessionFacts, state: 'creating' | 'ready'): Promise<boolean>
  /** The session's creation came to its end. */
  ready (id: string): Promise<void>
  /** The session's teardown begins. The reason replaces that of an earlier try. Does nothing when the id is not known. */
  stopping (id: string, reason: EndReason): Promise<void>
  /** Nothing is left of the session but its record. May be called again; does nothing when the id is not known. */
  ended (id: string, state: EndState): Promise<void>
  /** Counts one push to the session, and resolves with how many there were with it. Rejects when the id is not known. */
  addVersion (id: string): Promise<number>
  /** All sessions that have not ended, oldest first. */
  live (): Promise<SessionRecord[]>
  /** A session's record, also of one that has ended and was not pruned yet. */
  find (id: string): Promise<SessionRecord | undefined>
  /** Forgets the sessions that ended before `date`. */
  prune (date: Date): Promise<void>
  /** Gives back what the store holds. Call it once, last. */
  close (): Promise<void>
}

/** How many uids of the range have been taken: a fact of this machine, kept beside its sessions. Errors are thrown at once. */
export interface UidCounter {
  /** Undefined when it was never set, or has been lost. */
  get (): number | undefined
  /** Writes it; once this returns, the next server finds it. */
  set (taken: number): void
}
