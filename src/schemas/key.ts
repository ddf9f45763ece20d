import { Type, type Static } from '@sinclair/typebox'
import { ROLES, SCOPES, USER_NAME } from '#domain/principal.ts'

export const UserName = Type.String({ pattern: USER_NAME.source, description: 'Name of a user: at most 255 printable ASCII characters, without spaces' })
const RoleName = Type.Union(ROLES.map(role => Type.Literal(role)), { title: 'Role', description: 'admin: all rights, on all sessions' })
const Scopes = Type.Array(Type.Union(SCOPES.map(scope => Type.Literal(scope)), { title: 'Scope', description: 'create: make, share and end sessions; view: see and use them, and read their code; push: write code; admin: everything, for all users' }), { minItems: 1, uniqueItems: true, description: 'The rights of the key' })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const KeyRequest = Type.Object({
  user: UserName,
  role: Type.Optional(RoleName),
  scopes: Type.Optional(Scopes),
  expiresAt: Type.Optional(Time('When it expires'))
}, { additionalProperties: false, title: 'KeyRequest', description: 'The key to make' })
export type KeyRequest = Static<typeof KeyRequest>

export const KeyView = Type.Object({
  id: Type.String({ description: 'Names the key. It is not secret' }),
  user: UserName,
  role: RoleName,
  scopes: Scopes,
  createdAt: Time('When it was made'),
  expiresAt: Type.Optional(Time('When it expires')),
  revokedAt: Type.Optional(Time('When it was revoked')),
  lastUsedAt: Type.Optional(Time('Time of the last use, to the minute'))
}, { title: 'ApiKey', description: 'An API key, without its secret' })
export type KeyView = Static<typeof KeyView>

export const KeyCreated = Type.Intersect([KeyView, Type.Object({ key: Type.String({ description: 'The secret that the user sends as a bearer token. No other answer has it' }) })], { title: 'KeyCreated', description: 'A new API key, with its secret' })

export const KeyList = Type.Object({ keys: Type.Array(KeyView) }, { title: 'KeyList', description: 'API keys, oldest first' })

export const Me = Type.Object({
  user: UserName,
  role: RoleName,
  scopes: Scopes,
  csrfToken: Type.Optional(Type.String({ description: 'For a logged-in browser: it must send this as x-csrf-token with each request that changes something' }))
}, { title: 'Me', description: 'Your user name and rights' })
