import { knowsOf, type Principal } from '#domain/principal.ts'
import type { EndReason, SessionRecord } from '#domain/session.ts'

/** The reasons why a session cannot be used. */
export const INVALID_REASONS = ['session_not_found', 'session_expired', 'session_idle', 'session_killed', 'security_violation'] as const
export type InvalidReason = typeof INVALID_REASONS[number]

export interface Validity { valid: boolean, reason?: InvalidReason }

/** The time after its end for which a session's owner can read the reason. */
const TOLD_MS = 60 * 60 * 1000

/** The end reasons that are shown as more than "not found". `killed` and `violation` come from an admin. */
const TOLD: Partial<Record<EndReason, InvalidReason>> = {
  idle: 'session_idle', 'never-used': 'session_idle', expired: 'session_expired', drained: 'session_expired', killed: 'session_killed', violation: 'security_violation'
}

/** The validity of a session for this principal. A session that the principal may not know of counts as not found. */
export function validityOf (principal: Principal, record: SessionRecord | undefined, now: Date): Validity {
  if (!record || !knowsOf(principal, record)) return { valid: false, reason: 'session_not_found' }
  if (record.state === 'creating' || record.state === 'ready') return { valid: true }
  const reason = record.owner === principal.user ? endToTell(record, now) : undefined // only its owner may know the reason
  return { valid: false, reason: (reason && TOLD[reason]) || 'session_not_found' }
}

/** The reason of the session's end; undefined when the end was longer than an hour ago. */
export function endToTell ({ reason, endedAt }: SessionRecord, now: Date): EndReason | undefined {
  const isLate = endedAt !== undefined && now.getTime() - endedAt.getTime() > TOLD_MS
  return isLate ? undefined : reason
}
