import { Type, type Static } from '@sinclair/typebox'
import { END_REASONS } from '#domain/session.ts'
import { SessionId } from './common.ts'

export const RecoveredFrom = Type.String({ description: 'The earlier session that this one goes on from' })
export const RecoveredAt = Type.String({ format: 'date-time', description: 'The time from which it goes on: what happened later in the earlier session is lost' })

export const RecoverRequest = Type.Object({
  token: Type.String({ maxLength: 256, description: 'Of POST /recoverable/{id}/token' })
}, { additionalProperties: false, title: 'RecoverRequest', description: 'The session to bring back' })
export type RecoverRequest = Static<typeof RecoverRequest>

export const Recoverable = Type.Object({
  sessionId: SessionId,
  template: Type.String({ description: 'The starting extension' }),
  version: Type.Integer({ description: 'Number of pushes to the session' }),
  tabs: Type.Integer({ description: 'Number of tabs that are opened again' }),
  reason: Type.Union(END_REASONS.map(reason => Type.Literal(reason)), { title: 'EndReason', description: 'Why the session has ended' }),
  at: Type.String({ format: 'date-time', description: 'The time of what is brought back' }),
  endedAt: Type.String({ format: 'date-time', description: 'When the session ended, or was found to be lost' }),
  until: Type.String({ format: 'date-time', description: 'Until when it can be brought back' }),
  profile: Type.Optional(Type.Union([Type.Literal('kept'), Type.Literal('too-large')], { title: 'KeptProfile', description: 'Of a session that keeps its browser\'s profile: whether it comes back. Too large: it had more than 128 MiB, without caches' })),
  isRunning: Type.Boolean({ description: 'A request is bringing it back' })
}, { title: 'Recoverable', description: 'A session that has ended and can be brought back' })
export type Recoverable = Static<typeof Recoverable>

export const RecoverableList = Type.Object({ sessions: Type.Array(Recoverable) }, { title: 'RecoverableList', description: 'Your sessions that can be brought back, the last ended first' })

export const RecoveryToken = Type.Object({
  token: Type.String({ description: 'For POST /recover, once. No other answer has it' }),
  until: Type.String({ format: 'date-time', description: 'Until when it is valid' })
}, { title: 'RecoveryToken', description: 'Brings one session back' })
