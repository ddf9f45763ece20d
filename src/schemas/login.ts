import { Type } from '@sinclair/typebox'

export const LoginView = Type.Object({
  id: Type.String(),
  current: Type.Boolean({ description: 'The one that asks' }),
  address: Type.String({ description: 'Where it was opened from' }),
  openedAt: Type.String({ format: 'date-time' }),
  seenAt: Type.String({ format: 'date-time', description: 'When it was used last, to the minute' }),
  keyId: Type.Optional(Type.String({ description: 'The API key that opened it; else it was the provider' }))
})

export const Ended = Type.Object({ ended: Type.Integer({ description: 'How many have ended' }) })
