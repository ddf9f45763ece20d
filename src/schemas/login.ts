import { Type } from '@sinclair/typebox'

export const LoginView = Type.Object({
  id: Type.String(),
  current: Type.Boolean({ description: 'Whether this login sent the request' }),
  address: Type.String({ description: 'Address from which it was opened' }),
  openedAt: Type.String({ format: 'date-time' }),
  seenAt: Type.String({ format: 'date-time', description: 'Time of the last use, to the minute' }),
  keyId: Type.Optional(Type.String({ description: 'Id of the API key that opened it; absent for a provider login' }))
})

export const Ended = Type.Object({ ended: Type.Integer({ description: 'Number of ended logins' }) })
