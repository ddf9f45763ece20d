import { Type, type Static, type TRef } from '@sinclair/typebox'

export const SessionId = Type.String({ description: 'Names a session: 32 lower-case hex characters' })

export const SessionParams = Type.Object({ id: SessionId })
export type SessionParams = Static<typeof SessionParams>

export const ErrorReply = Type.Object({
  success: Type.Literal(false),
  code: Type.String({ description: 'Stable, starts with EX10_' }),
  message: Type.String({ description: 'For a person: the fault and its remedy' }),
  statusCode: Type.Integer(),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown()))
}, { $id: 'ErrorReply', description: 'Every refusal has this form' })
export type ErrorReply = Static<typeof ErrorReply>

/** The error responses of a route, for its schema: `errors(404, 409)`. */
export function errors<Status extends number> (...statuses: Status[]): { [status in Status]: TRef<'ErrorReply'> } {
  return Object.fromEntries(statuses.map(status => [status, Type.Ref('ErrorReply')])) as { [status in Status]: TRef<'ErrorReply'> }
}

export const Done = Type.Object({ success: Type.Literal(true), message: Type.String() }, { description: 'It is done' })
export type Done = Static<typeof Done>
