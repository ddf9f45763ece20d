import { Type, type Static } from '@sinclair/typebox'

const AtDeadline = Type.Union([Type.Literal('end'), Type.Literal('wait')], { title: 'AtDeadline', description: 'end: the sessions that are left at the deadline are ended; wait: they go on, until they end by themselves or are ended' })

export const DrainRequest = Type.Object({
  deadline: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800, default: 600, description: 'Seconds until the deadline, which the sessions are told' })),
  atDeadline: Type.Optional(AtDeadline)
}, { additionalProperties: false, title: 'DrainRequest', description: 'How long sessions may go on' })
export type DrainRequest = Static<typeof DrainRequest>

export const DrainState = Type.Object({
  draining: Type.Boolean({ description: 'Whether the server takes no new sessions' }),
  since: Type.Optional(Type.String({ format: 'date-time', description: 'When the drain began' })),
  deadline: Type.Optional(Type.String({ format: 'date-time', description: 'When the deadline is' })),
  atDeadline: Type.Optional(AtDeadline),
  sessions: Type.Integer({ description: 'Sessions that are left, those that are being made or being ended included' })
}, { title: 'DrainState', description: 'Whether the server is being drained' })
export type DrainState = Static<typeof DrainState>
