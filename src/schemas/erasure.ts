import { Type } from '@sinclair/typebox'

export const ErasedData = Type.Object({
  erased: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'How much of each kind was erased: sessions with analytics, archives and recovery points, preferences, names on days of the statistics, entries of the audit log' }),
  failed: Type.Array(Type.String(), { description: 'The kinds that could not be erased: send the request again' })
}, { title: 'ErasedData', description: 'What was erased' })
