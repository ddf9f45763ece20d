import { randomBytes } from 'node:crypto'
import type { Credential, Visitor } from './credential.ts'

interface Ticket { sessionId: string, visitor: Visitor, expiresAt: number }

const LIFE_MS = 60_000
/** The most unused tickets per session and credential. One more invalidates the oldest: anybody with a link can reload its page without end. */
const MOST_ALIKE = 64

/** The tickets in rendered display pages. Each is valid once, within a minute, for one connection to one session. */
export class Tickets {
  readonly #issued = new Map<string, Ticket>()

  /** Returns a new ticket. `now` is in ms, of a clock that only goes forward. */
  issue (sessionId: string, visitor: Visitor, now = performance.now()): string {
    this.#forgetUntil(now)
    const ticket = randomBytes(24).toString('base64url')
    this.#issued.set(ticket, { sessionId, visitor, expiresAt: now + LIFE_MS })
    const alike = [...this.#issued].filter(([, issued]) => issued.sessionId === sessionId && isSame(issued.visitor.credential, visitor.credential))
    if (alike.length > MOST_ALIKE) this.#issued.delete(alike[0]![0])
    return ticket
  }

  /** Uses up the ticket. Returns its visitor if it was issued for this session and has not expired. */
  redeem (ticket: string, sessionId: string, now = performance.now()): Visitor | undefined {
    const issued = this.#issued.get(ticket)
    this.#issued.delete(ticket)
    return issued?.sessionId === sessionId && issued.expiresAt > now ? issued.visitor : undefined
  }

  /** Drops the tickets of a session, which has ended. */
  forget (sessionId: string): void {
    for (const [ticket, issued] of this.#issued) if (issued.sessionId === sessionId) this.#issued.delete(ticket)
  }

  /** The session of each unused ticket. */
  sessionIds (): string[] {
    return Array.from(this.#issued.values(), ({ sessionId }) => sessionId)
  }

  #forgetUntil (now: number): void {
    for (const [ticket, { expiresAt }] of this.#issued) {
      if (expiresAt > now) return // tickets are in the order of their issue, so in the order of their end
      this.#issued.delete(ticket)
    }
  }
}

function isSame (a: Credential, b: Credential): boolean {
  return a.kind === b.kind && a.id === b.id
}
