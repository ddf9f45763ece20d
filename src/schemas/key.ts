import { Type, type Static } from '@sinclair/typebox'
import { ROLES, SCOPES, USER_NAME } from '#domain/principal.ts'

export const UserName = Type.String({ pattern: USER_NAME.source, description: 'Names a user: ASCII characters that can be seen, 255 at most' })
const RoleName = Type.Union(ROLES.map(role => Type.Literal(role)), { description: 'admin: all rights, on all sessions' })
const Scopes = Type.Array(Type.Union(SCOPES.map(scope => Type.Literal(scope))), { minItems: 1, uniqueItems: true, description: 'What it is good for' })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const KeyRequest = Type.Object({
  user: UserName,
  role: Type.Optional(RoleName),
  scopes: Type.Optional(Scopes),
  expiresAt: Type.Optional(Time('From when on it opens nothing'))
}, { additionalProperties: false })
export type KeyRequest = Static<typeof KeyRequest>

export const KeyView = Type.Object({
  id: Type.String(),
  user: UserName,
  role: RoleName,
  scopes: Scopes,
  createdAt: Time('When it was made'),
  expiresAt: Type.Optional(Time('From when on it opens nothing')),
  revokedAt: Type.Optional(Time('When it was revoked')),
  lastUsedAt: Type.Optional(Time('When it was used last, to the minute'))
}, { $id: 'ApiKey' })
export type KeyView = Static<typeof KeyView>

export const KeyCreated = Type.Intersect([KeyView, Type.Object({ key: Type.String({ description: 'What the user sends as a bearer token; it is shown here only' }) })])

export const Me = Type.Intersect([
  Type.Pick(KeyView, ['user', 'role', 'scopes']),
  Type.Object({ csrfToken: Type.Optional(Type.String({ description: 'For a browser that is logged in: sent as x-csrf-token with whatever changes something' })) })
])
