import { Type, type Static, type TSchema, type TUnsafe } from '@sinclair/typebox'

export const SessionId = Type.String({ description: 'Names a session: 32 lower-case hex characters' })

export const SessionParams = Type.Object({ id: SessionId })
export type SessionParams = Static<typeof SessionParams>

export const ErrorReply = Type.Object({
  success: Type.Literal(false),
  code: Type.String({ description: 'Stable, starts with EX10_' }),
  message: Type.String({ description: 'For a person: the fault and its remedy' }),
  statusCode: Type.Integer(),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown()))
}, { title: 'ErrorReply', description: 'Every refusal has this form' })
export type ErrorReply = Static<typeof ErrorReply>

/** The error responses of a route, for its schema: `errors(404, 409)`. */
export function errors<Status extends number> (...statuses: Status[]): { [status in Status]: TUnsafe<unknown> } {
  return Object.fromEntries(statuses.map(status => [status, Type.Unsafe<unknown>(ErrorReply)])) as { [status in Status]: TUnsafe<unknown> }
}

/** The content of an answer that is a stream: lines of JSON, each as `line` says. Generated clients take it as text, and have the type of a line. */
export function linesOf (line: TSchema) {
  return { 'application/x-ndjson': { schema: Type.String({ contentMediaType: 'application/x-ndjson', contentSchema: Type.Array(line) }) } }
}

export const Done = Type.Object({ success: Type.Literal(true), message: Type.String() }, { title: 'Done', description: 'It is done' })
export type Done = Static<typeof Done>
