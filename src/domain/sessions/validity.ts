import { knowsOf, type Principal } from '#domain/principal.ts'
import type { EndReason, SessionRecord } from '#domain/session.ts'

/** Why a session is of no use any more. */
export const INVALID_REASONS = ['session_not_found', 'session_expired', 'session_idle', 'session_killed', 'security_violation'] as const
export type InvalidReason = typeof INVALID_REASONS[number]

export interface Validity { valid: boolean, reason?: InvalidReason }

/** How long after the end its owner is told why. */
const TOLD_MS = 60 * 60 * 1000

/** What is more than "not found". `killed` and `violation` are an admin's doing. */
const TOLD: Partial<Record<EndReason, InvalidReason>> = {
  idle: 'session_idle', 'never-used': 'session_idle', expired: 'session_expired', killed: 'session_killed', violation: 'security_violation'
}

/** What the principal is told of a session's record; whoever may not know of it hears the same as of one that never was. */
export function validityOf (principal: Principal, record: SessionRecord | undefined, now: Date): Validity {
  if (!record || !knowsOf(principal, record)) return { valid: false, reason: 'session_not_found' }
  if (record.state === 'creating' || record.state === 'ready') return { valid: true }
  const reason = record.owner === principal.user ? endToTell(record, now) : undefined // nobody else's business
  return { valid: false, reason: (reason && TOLD[reason]) || 'session_not_found' }
}

/** Why the session has ended, for as long as whoever may know of it is told. */
export function endToTell ({ reason, endedAt }: SessionRecord, now: Date): EndReason | undefined {
  const isLate = endedAt !== undefined && now.getTime() - endedAt.getTime() > TOLD_MS
  return isLate ? undefined : reason
}
