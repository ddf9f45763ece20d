import { Type, type Static } from '@sinclair/typebox'
import { END_REASONS } from '#domain/session.ts'
import { EXPIRY_CAUSES } from '#domain/live/clocks.ts'
import { INVALID_REASONS } from '#domain/sessions/validity.ts'

export const ExpiresAt = Type.String({ format: 'date-time', description: 'When the session ends by itself unless it is used before' })

export const ExpiresBecause = Type.Union(EXPIRY_CAUSES.map(cause => Type.Literal(cause)), {
  title: 'ExpiryCause',
  description: 'Why it ends then. idle: it was unused for too long; session-timeout: its longest life is over; never-used: it was never viewed or used; given-up: its display or browser ended too often, and does not come back; drain: the server is being drained'
})

/** Times in milliseconds from now: a page's clock may differ from the server's. */
export const DisplayExpiry = Type.Object({
  inMs: Type.Integer({ description: 'When the session ends by itself' }),
  warningInMs: Type.Integer({ description: 'When the page is to warn of it' }),
  because: ExpiresBecause
}, { title: 'DisplayExpiry', description: 'When the session ends by itself, in milliseconds from now' })

export const EndedBecause = Type.Union(END_REASONS.map(reason => Type.Literal(reason)), { title: 'EndReason', description: 'Why the session has ended' })

export const Validity = Type.Object({
  valid: Type.Boolean({ description: 'The session lives, and you may see it' }),
  reason: Type.Optional(Type.Union(INVALID_REASONS.map(reason => Type.Literal(reason)), {
    title: 'InvalidReason',
    description: 'Why the session is not valid. For an hour after the end, its owner gets the reason: it was idle, it expired, or an admin ended it, with or without a violation'
  }))
}, { title: 'Validity', description: 'Whether a session lives' })
export type Validity = Static<typeof Validity>
