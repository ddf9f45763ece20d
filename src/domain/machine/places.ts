import { performance } from 'node:perf_hooks'
import { Pace } from './pace.ts'
import { WaitingLine } from './waiting-line.ts'

/** The limits of sessions: in all, and of one user. */
export interface Limits { total: number, perUser: number }

/** The limit that is reached. */
export type Shortage = 'user' | 'total'

/** A session that wants a place, and its user. */
export interface Asker { id: string, owner: string }

/** A creation that waits for a place. The line calls its methods. */
export interface Waiter extends Asker {
  /** Whether a client still waits for this creation. */
  isAttended: boolean
  /** Called with its position, 1 being the next, whenever positions may have changed. */
  stands (position: number): void
  /** Called when its turn has come and it has its place. */
  admit (): void
  /** Called when it loses its position: the line is full, and its user has the most waiting. */
  displace (): void
}

/** The default limit of a user, with authentication. */
const PER_USER = 10

/** The limits from the settings, of which 0 is unset. Without authentication all requests are one user's, and the limit per user applies only if it is set. */
export function limitsOf (set: { slots: number, maxSessions: number, maxSessionsPerUser: number }, areUsersKnown: boolean): Limits {
  return {
    total: Math.min(set.maxSessions || set.slots, set.slots),
    perUser: set.maxSessionsPerUser || (areUsersKnown ? PER_USER : Infinity)
  }
}

/**
 * The places for sessions. A session has a place from before it is made until nothing of it is left. A user's sessions are
 * counted from the places themselves, so no counter can differ from them. A creation takes a place at once, in one step, or
 * waits. A freed place is given at once to the waiter with the next turn.
 */
export class Places {
  readonly #limits: Limits
  readonly #line: WaitingLine<Waiter>
  readonly #now: () => number
  readonly #owners = new Map<string, string>() // of the sessions that have a place
  readonly #pace = new Pace()

  /** `waiting` is the most that may wait. */
  constructor (limits: Limits, waiting: number, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#line = new WaitingLine(waiting)
    this.#now = now
  }

  /** Takes a place. Returns the reached limit when there is none to take. */
  take ({ id, owner }: Asker): Shortage | undefined {
    const shortage = this.shortageFor(owner)
    if (!shortage) this.#owners.set(id, owner)
    return shortage
  }

  /** Gives a place to a live session, even above the limits. */
  hold ({ id, owner }: Asker): void {
    this.#owners.set(id, owner)
  }

  /** Adds a waiter to the line. Returns false when the line is full. */
  join (waiter: Waiter): boolean {
    const displaced = this.#line.join(waiter)
    if (displaced === waiter) return false
    displaced?.displace()
    this.#tellPositions()
    return true
  }

  /** Gives back a session's place, or ends its wait for one; safe when it has neither. */
  release (id: string): void {
    const owner = this.#owners.get(id)
    if (owner === undefined) this.#line.leave(id)
    else this.#pace.note(owner, this.#now())
    this.#owners.delete(id)
    this.#giveTurns()
  }

  /** Whether every place is taken, for all users. */
  get areTaken (): boolean {
    return this.#owners.size >= this.#limits.total
  }

  /** The ids of the sessions that have a place. */
  get held (): string[] {
    return [...this.#owners.keys()]
  }

  /** The waiters, in the order of their turns. */
  get waiting (): Waiter[] {
    return this.#line.inOrder()
  }

  /**
   * Estimated wait in milliseconds, from the recent rate of freed places; null until two have been freed. A user at
   * their own limit waits for their own sessions only.
   */
  etaMs ({ id, owner }: Asker): number | null {
    const isForOwn = this.shortageFor(owner) === 'user'
    const before = this.waiting.filter(waiter => !isForOwn || waiter.owner === owner)
    const position = before.findIndex(waiter => waiter.id === id) + 1
    return this.#pace.estimate(position, this.#now(), isForOwn ? owner : undefined)
  }

  /** The limit that keeps the user from taking a place now; undefined when there is none. */
  shortageFor (owner: string): Shortage | undefined {
    const own = [...this.#owners.values()].filter(name => name === owner).length
    if (own >= this.#limits.perUser) return 'user'
    if (this.areTaken) return 'total'
  }

  #giveTurns (): void {
    const mayHave = (owner: string) => !this.shortageFor(owner)
    for (let waiter = this.#line.next(mayHave); waiter; waiter = this.#line.next(mayHave)) {
      this.hold(waiter)
      waiter.admit()
    }
    this.#tellPositions()
  }

  #tellPositions (): void {
    for (const [index, waiter] of this.waiting.entries()) waiter.stands(index + 1)
  }
}
