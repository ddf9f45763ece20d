import { Type, type Static } from '@sinclair/typebox'
import { SHARE_MODES } from '#domain/access/share.ts'
import { SessionId } from './common.ts'

/** How long a link is good unless it is said, seconds. */
export const A_DAY = 86_400

const Mode = Type.Union(SHARE_MODES.map(mode => Type.Literal(mode)), { description: 'view: can look and cannot act; control: as the owner\'s own page' })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const ShareRequest = Type.Object({
  mode: Mode,
  expiresIn: Type.Optional(Type.Integer({ minimum: 1, maximum: 7 * A_DAY, default: A_DAY, description: 'How long the link is good, seconds; a day unless given. Not longer than a provider\'s token with which it is made' }))
}, { additionalProperties: false })
export type ShareRequest = Static<typeof ShareRequest>

export const ShareParams = Type.Object({ id: SessionId, shareId: Type.String() })

export const ShareCreated = Type.Object({
  id: Type.String(),
  mode: Mode,
  url: Type.String({ description: 'Whoever has it is let in: it is shown here only' }),
  expiresAt: Time('From when on it opens nothing')
})

export const ShareView = Type.Object({
  id: Type.String(),
  mode: Mode,
  createdBy: Type.String({ description: 'The user who made it' }),
  createdAt: Time('When it was made'),
  expiresAt: Time('From when on it opens nothing'),
  viewers: Type.Integer({ description: 'How many look at the session by it, now' })
}, { $id: 'Share' })
export type ShareView = Static<typeof ShareView>
