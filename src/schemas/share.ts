import { Type, type Static } from '@sinclair/typebox'
import { SHARE_MODES } from '#domain/access/share.ts'
import { SessionId } from './common.ts'

/** How long a link is valid without `expiresIn`, seconds. */
export const A_DAY = 86_400

const Mode = Type.Union(SHARE_MODES.map(mode => Type.Literal(mode)), { title: 'ShareMode', description: 'view: can look and cannot act; control: as the owner\'s own page' })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const ShareRequest = Type.Object({
  mode: Mode,
  expiresIn: Type.Optional(Type.Integer({ minimum: 1, maximum: 7 * A_DAY, default: A_DAY, description: 'How long the link is valid, seconds. A link made with a provider\'s token ends with the token at the latest' }))
}, { additionalProperties: false, title: 'ShareRequest', description: 'The link to make' })
export type ShareRequest = Static<typeof ShareRequest>

export const ShareParams = Type.Object({ id: SessionId, shareId: Type.String({ description: 'Names the link. It is not secret' }) })

export const ShareCreated = Type.Object({
  id: Type.String({ description: 'Names the link. It is not secret' }),
  mode: Mode,
  url: Type.String({ description: 'The link. Anybody who has it can open the session. No other answer has it' }),
  expiresAt: Time('When it expires')
}, { title: 'ShareCreated', description: 'A new link' })

export const ShareView = Type.Object({
  id: Type.String({ description: 'Names the link. It is not secret' }),
  mode: Mode,
  createdBy: Type.String({ description: 'The user who made it' }),
  createdAt: Time('When it was made'),
  expiresAt: Time('When it expires'),
  viewers: Type.Integer({ description: 'Number of viewers by this link, now' })
}, { title: 'Share', description: 'A link that is in force, without its secret' })
export type ShareView = Static<typeof ShareView>

export const ShareList = Type.Object({ shares: Type.Array(ShareView) }, { title: 'ShareList', description: 'The links to a session that are in force, oldest first' })
