import { Type, type Static } from '@sinclair/typebox'
import { END_REASONS } from '#domain/session.ts'
import { EXPIRY_CAUSES } from '#domain/live/clocks.ts'
import { INVALID_REASONS } from '#domain/sessions/validity.ts'

export const ExpiresAt = Type.String({ format: 'date-time', description: 'When the session ends by itself if nothing happens until then' })

export const ExpiresBecause = Type.Union(EXPIRY_CAUSES.map(cause => Type.Literal(cause)), {
  description: 'Why it ends then: nobody used it for long, its longest life is over, or it was never viewed nor used'
})

/** For a page, whose clock may be another: milliseconds from now. */
export const DisplayExpiry = Type.Object({
  inMs: Type.Integer({ description: 'When the session ends by itself' }),
  warningInMs: Type.Integer({ description: 'When it is time to say so' }),
  because: ExpiresBecause
})

export const EndedBecause = Type.Union(END_REASONS.map(reason => Type.Literal(reason)), { description: 'Why the session has ended' })

export const Validity = Type.Object({
  valid: Type.Boolean(),
  reason: Type.Optional(Type.Union(INVALID_REASONS.map(reason => Type.Literal(reason)), {
    description: 'Why not; its owner hears for an hour that it was idle, that its time was up, or that an admin ended it for a violation'
  }))
})
export type Validity = Static<typeof Validity>
