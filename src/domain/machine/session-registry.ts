import { failure } from '#errors.ts'
import type { CompletedCreation, EndReason, EndState, Session, SessionFacts, SessionRecord } from '#domain/session.ts'
import type { RegistryStore } from './registry-store.ts'

/**
 * This server's sessions: all recorded ones that have not ended, in memory. Every change is written to the journal. Reads
 * use memory alone. `get`, `live` and `find` return copies.
 */
export class SessionRegistry {
  readonly #store: RegistryStore
  readonly #sessions: Map<string, Session>

  private constructor (store: RegistryStore, left: Session[]) {
    this.#store = store
    this.#sessions = new Map(left.map(session => [session.id, session]))
  }

  /** Begins with the sessions in the journal of an earlier server. */
  static async open (store: RegistryStore): Promise<SessionRegistry> {
    return new SessionRegistry(store, await store.live())
  }

  /** A session that has not ended. */
  get (id: string): Session | undefined {
    const session = this.#sessions.get(id)
    return session && { ...session }
  }

  /** All sessions that have not ended, oldest first. */
  live (): Session[] {
    return [...this.#sessions.values()].map(session => ({ ...session })).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
  }

  /** A session's record. Records of recently ended sessions come from the journal. */
  async find (id: string): Promise<SessionRecord | undefined> {
    return this.get(id) ?? await this.#store.find(id)
  }

  /** The last creation that a request with this key has completed, from the journal. */
  findCompleted (key: string): Promise<CompletedCreation | undefined> {
    return this.#store.findCompleted(key)
  }

  /** Writes the intent; from then on the session is known. Call it before anything is made. */
  async record (facts: SessionFacts): Promise<void> {
    await this.#store.record(facts)
    this.#sessions.set(facts.id, { ...facts, state: 'creating', version: 0 })
  }

  /**
   * Writes that the creation has completed. Then, in one step without an await, the session becomes ready and `commit` is
   * called: an end of the session comes either before that step or after it, to a ready session.
   * @throws the reason of `signal` if it was aborted meanwhile, EX10_SESSION_NOT_FOUND if the session is being ended: then it
   * does not become ready, and its teardown must follow
   */
  async ready (id: string, signal: AbortSignal, commit: () => void): Promise<void> {
    signal.throwIfAborted()
    await this.#store.ready(id)
    signal.throwIfAborted()
    const session = this.#sessions.get(id)
    if (session?.state !== 'creating') throw failure('SESSION_NOT_FOUND')
    session.state = 'ready'
    commit()
  }

  /** Marks the session as stopping from now on, even when the write fails. */
  async stopping (id: string, reason: EndReason): Promise<void> {
    const session = this.#sessions.get(id)
    if (session) Object.assign(session, { state: 'stopping', reason })
    await this.#store.stopping(id, reason)
  }

  /** Writes that nothing of the session is left, then forgets it. When the write fails, the session stays known. */
  async ended (id: string, state: EndState): Promise<void> {
    await this.#store.ended(id, state)
    this.#sessions.delete(id)
  }

  /** Counts one push. Resolves with the new number of pushes when it is written. */
  async addVersion (id: string): Promise<number> {
    const version = await this.#store.addVersion(id)
    const session = this.#sessions.get(id)
    if (session) session.version = version
    return version
  }
}
