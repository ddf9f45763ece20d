import { Type, type Static } from '@sinclair/typebox'
import { STEPS } from '#domain/sessions/steps.ts'
import { errors, linesOf, SessionId } from './common.ts'
import { RecoveredAt, RecoveredFrom } from './recovery.ts'
import { DisplayUrl } from './session.ts'

const Queued = Type.Object({
  status: Type.Literal('queued'),
  data: Type.Object({
    message: Type.String(),
    position: Type.Integer({ minimum: 1, description: '1: this creation has the next turn' }),
    etaMs: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description: 'Estimated wait, from the recent rate of ended sessions; null while unknown' })
  })
}, { title: 'QueuedLine', description: 'The creation waits for its turn. Sent at first, whenever its position changes, and at least every 5 s' })

const Running = Type.Object({
  status: Type.Literal('running'),
  data: Type.Object({
    message: Type.String(),
    step: Type.Union(STEPS.map(step => Type.Literal(step)), { title: 'Step', description: 'A step of a creation, in order' }),
    index: Type.Integer({ minimum: 1, description: 'The number of the step' }),
    of: Type.Integer({ minimum: 1, description: 'The number of all steps' }),
    elapsedMs: Type.Integer({ minimum: 0, description: 'Time since the creation began' })
  })
}, { title: 'RunningLine', description: 'A step has begun, or is still running' })

/** The answer to a creation, for clients that accept JSON, and the last line of its stream. */
export const SessionCreated = Type.Object({
  message: Type.String(),
  sessionId: SessionId,
  isNew: Type.Literal(true),
  url: Type.String({ description: 'Path of the display page' }),
  displayUrl: Type.Optional(DisplayUrl),
  elapsedMs: Type.Integer({ minimum: 0, description: 'How long the creation took, without its wait in the queue' }),
  recoveredFrom: Type.Optional(RecoveredFrom),
  recoveredAt: Type.Optional(RecoveredAt)
}, { title: 'SessionCreated', description: 'The session is ready' })
export type SessionCreated = Static<typeof SessionCreated>

const Complete = Type.Object({
  status: Type.Literal('complete'),
  data: SessionCreated
}, { title: 'CompleteLine', description: 'The session is ready; always the last line' })

const Failed = Type.Object({
  status: Type.Literal('error'),
  data: Type.Object({ message: Type.String(), code: Type.String() })
}, { title: 'ErrorLine', description: 'The session could not be made and nothing of it is left; always the last line' })

/** One line of the answer to a creation. */
export const ProgressLine = Type.Union([Queued, Running, Complete, Failed], { title: 'ProgressLine', description: 'One line of the answer to a creation' })
export type ProgressLine = Static<typeof ProgressLine>

/** The answers to a creation: a stream of lines, or a refusal before it begins. */
export const creationResponses = {
  200: {
    description: 'One ProgressLine as JSON a line; the last one has the status complete or error',
    content: linesOf(ProgressLine)
  },
  ...errors(400, 429, 503, 507)
}
