import { Type, type Static } from '@sinclair/typebox'

const AtDeadline = Type.Union([Type.Literal('end'), Type.Literal('wait')], { description: 'end: the sessions that are left at the deadline are ended; wait: they go on, until they end by themselves or are ended' })

export const DrainRequest = Type.Object({
  deadline: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800, default: 600, description: 'Seconds until the deadline, which the sessions are told' })),
  atDeadline: Type.Optional(AtDeadline)
}, { additionalProperties: false })
export type DrainRequest = Static<typeof DrainRequest>

export const DrainState = Type.Object({
  draining: Type.Boolean({ description: 'Whether the server takes no new sessions' }),
  since: Type.Optional(Type.String({ format: 'date-time', description: 'When the drain began' })),
  deadline: Type.Optional(Type.String({ format: 'date-time' })),
  atDeadline: Type.Optional(AtDeadline),
  sessions: Type.Integer({ description: 'Sessions that are left, those that are being made or being ended included' })
})
export type DrainState = Static<typeof DrainState>
