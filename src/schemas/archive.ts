import { Type } from '@sinclair/typebox'
import { SessionId } from './common.ts'
import { UserName } from './key.ts'

const Time = (description: string) => Type.String({ format: 'date-time', description })

export const ArchiveView = Type.Object({
  id: SessionId,
  owner: Type.String({ description: 'The user whose session it was' }),
  template: Type.String(),
  createdAt: Time('When the creation of the session began'),
  endedAt: Time('When the session ended'),
  reason: Type.String({ description: 'Why it ended' }),
  version: Type.Optional(Type.Integer({ description: 'Number of pushes in the code' })),
  snapshotAt: Type.Optional(Time('When code and state were as they are here. Absent when neither could be kept')),
  isOver: Type.Boolean({ description: 'False while the session is being ended' }),
  deletedAfter: Time('When it is deleted by itself, by the machine\'s clock')
}, { title: 'Archive', description: 'What remains of an ended session' })

export const ArchivesQuery = Type.Object({
  user: Type.Optional(UserName),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'The most archives in the answer' })),
  after: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z [0-9a-f]{32}$', description: 'The `next` of the page before' }))
}, { additionalProperties: false })

export const ArchiveList = Type.Object({
  archives: Type.Array(ArchiveView, { description: 'The last ended first' }),
  next: Type.Optional(Type.String({ description: 'Present when there are more: send it as `after` to get them' }))
}, { title: 'Archives', description: 'One page of archives' })
