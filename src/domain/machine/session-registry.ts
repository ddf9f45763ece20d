import { failure } from '#errors.ts'
import type { EndReason, EndState, Session, SessionFacts, SessionRecord } from '#domain/session.ts'
import type { RegistryStore } from './registry-store.ts'

/**
 * This server's sessions: all that are recorded and have not ended, in memory, with every change in the journal. Reads
 * are of memory alone. What `get`, `live` and `find` give are copies.
 */
export class SessionRegistry {
  readonly #store: RegistryStore
  readonly #sessions: Map<string, Session>

  private constructor (store: RegistryStore, left: Session[]) {
    this.#store = store
    this.#sessions = new Map(left.map(session => [session.id, session]))
  }

  /** Begins with the sessions that an earlier server left, as its journal tells. */
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

  /** A session's record, also of one that ended not long ago: of those, the journal tells. */
  async find (id: string): Promise<SessionRecord | undefined> {
    return this.get(id) ?? await this.#store.find(id)
  }

  /** Writes the intent; from then on the session is known. Call it before anything is made. */
  async record (facts: SessionFacts): Promise<void> {
    await this.#store.record(facts)
    this.#sessions.set(facts.id, { ...facts, state: 'creating', version: 0 })
  }

  /**
   * Writes that the creation came to its end. Then, in one step without an await, the session becomes ready and `commit` is
   * called: whoever ends the session, ends it either before that step or as a ready one.
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

  /** The session is being ended from now on, whether or not that can be written. */
  async stopping (id: string, reason: EndReason): Promise<void> {
    const session = this.#sessions.get(id)
    if (session) Object.assign(session, { state: 'stopping', reason })
    await this.#store.stopping(id, reason)
  }

  /** Writes that nothing of the session is left; then it is not known any more. While that cannot be written, it stays. */
  async ended (id: string, state: EndState): Promise<void> {
    await this.#store.ended(id, state)
    this.#sessions.delete(id)
  }

  /** Counts one push, and resolves with how many there were with it, when that is written. */
  async addVersion (id: string): Promise<number> {
    const version = await this.#store.addVersion(id)
    const session = this.#sessions.get(id)
    if (session) session.version = version
    return version
  }
}
