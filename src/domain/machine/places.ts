import { performance } from 'node:perf_hooks'
import { Pace } from './pace.ts'
import { WaitingLine } from './waiting-line.ts'

/** How many sessions there may be: in all, and of one user. */
export interface Limits { total: number, perUser: number }

/** Which of the limits is reached. */
export type Shortage = 'user' | 'total'

/** Who wants a place: a session that is to be, and the user whose it will be. */
export interface Asker { id: string, owner: string }

/** Who waits for a place, and what it hears meanwhile. */
export interface Waiter extends Asker {
  /** Whether somebody still waits for it. */
  isAttended: boolean
  /** Which turn is its, 1 being the next: told whenever anybody's may have changed. */
  stands (position: number): void
  /** Its turn has come, and it has its place. */
  admit (): void
  /** It has to go: the line is full, and its user has more waiting than another. */
  displace (): void
}

/** What one user has, where users are known and nothing else is set. */
const PER_USER = 10

/** The limits that are set; 0 means that none is. Where nobody logs in, all are one user, who has a limit only if it is set. */
export function limitsOf (set: { slots: number, maxSessions: number, maxSessionsPerUser: number }, areUsersKnown: boolean): Limits {
  return {
    total: Math.min(set.maxSessions || set.slots, set.slots),
    perUser: set.maxSessionsPerUser || (areUsersKnown ? PER_USER : Infinity)
  }
}

/**
 * The places for sessions. A session has one from before it is made until nothing of it is left, so the sessions of a
 * user are counted by looking at who has places: there is no number that could differ from them. Whoever wants one takes
 * it at once, in one step, or waits; a place that comes free is given at once to whoever's turn it is.
 */
export class Places {
  readonly #limits: Limits
  readonly #line: WaitingLine<Waiter>
  readonly #now: () => number
  readonly #owners = new Map<string, string>() // of the sessions that have a place
  readonly #pace = new Pace()

  /** At most `waiting` wait. */
  constructor (limits: Limits, waiting: number, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#line = new WaitingLine(waiting)
    this.#now = now
  }

  /** Takes a place; when none may be taken, says why. */
  take ({ id, owner }: Asker): Shortage | undefined {
    const shortage = this.shortageFor(owner)
    if (!shortage) this.#owners.set(id, owner)
    return shortage
  }

  /** Gives a place to a session that lives already, whatever the limits are. */
  hold ({ id, owner }: Asker): void {
    this.#owners.set(id, owner)
  }

  /** Lets one wait who could take none. Returns false when the line is full. */
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

  /** Whether every place is taken, whoever asks. */
  get areTaken (): boolean {
    return this.#owners.size >= this.#limits.total
  }

  /** The ids of the sessions that have a place. */
  get held (): string[] {
    return [...this.#owners.keys()]
  }

  /** Who waits, in the order of their turns. */
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

  /** Why the user may take no place now, if so. */
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
