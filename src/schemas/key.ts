import { Type, type Static } from '@sinclair/typebox'
import { ROLES, SCOPES, USER_NAME } from '#domain/principal.ts'

export const UserName = Type.String({ pattern: USER_NAME.source, description: 'Name of a user: at most 255 printable ASCII characters, without spaces' })
const RoleName = Type.Union(ROLES.map(role => Type.Literal(role)), { description: 'admin: all rights, on all sessions' })
const Scopes = Type.Array(Type.Union(SCOPES.map(scope => Type.Literal(scope))), { minItems: 1, uniqueItems: true, description: 'The rights of the key' })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const KeyRequest = Type.Object({
  user: UserName,
  role: Type.Optional(RoleName),
  scopes: Type.Optional(Scopes),
  expiresAt: Type.Optional(Time('When it expires'))
}, { additionalProperties: false })
export type KeyRequest = Static<typeof KeyRequest>

export const KeyView = Type.Object({
  id: Type.String(),
  user: UserName,
  role: RoleName,
  scopes: Scopes,
  createdAt: Time('When it was made'),
  expiresAt: Type.Optional(Time('When it expires')),
  revokedAt: Type.Optional(Time('When it was revoked')),
  lastUsedAt: Type.Optional(Time('Time of the last use, to the minute'))
}, { $id: 'ApiKey' })
export type KeyView = Static<typeof KeyView>

export const KeyCreated = Type.Intersect([KeyView, Type.Object({ key: Type.String({ description: 'The secret that the user sends as a bearer token. No other answer has it' }) })])

export const Me = Type.Intersect([
  Type.Pick(KeyView, ['user', 'role', 'scopes']),
  Type.Object({ csrfToken: Type.Optional(Type.String({ description: 'For a logged-in browser: it must send this as x-csrf-token with each request that changes something' })) })
])
