import { Type, type Static } from '@sinclair/typebox'
import { AUDITED_ACTIONS } from '#domain/operations/audit-log.ts'
import { SessionId } from './common.ts'
import { UserName } from './key.ts'
import { SessionView } from './session.ts'

const Time = (description: string) => Type.String({ format: 'date-time', description })
const Count = (description: string) => Type.Integer({ description })
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'How many at most' }))

export const AdminSessionsQuery = Type.Object({
  user: Type.Optional(UserName),
  state: Type.Optional(SessionView.properties.state),
  olderThan: Type.Optional(Type.Integer({ minimum: 0, description: 'Only those that began so many seconds ago, or earlier' })),
  limit: Limit,
  after: Type.Optional(Type.String({ pattern: '^\\d{1,15}-[0-9a-f]{32}$', description: 'The `next` of the page before' }))
}, { additionalProperties: false })
export type AdminSessionsQuery = Static<typeof AdminSessionsQuery>

const ChannelView = Type.Object({
  id: Type.String(),
  type: Type.Union([Type.Literal('viewer'), Type.Literal('events')], { description: 'viewer: a page that shows the display; events: a reader of events' }),
  user: Type.Optional(Type.String({ description: 'Who, where it is known' })),
  share: Type.Optional(Type.String({ description: 'The link by which they look' })),
  address: Type.String({ description: 'Where from' }),
  openedAt: Time('Since when')
})

export const AdminSession = Type.Intersect([SessionView, Type.Object({
  address: Type.String({ description: 'Where its owner asked for it from' }),
  authenticated: Type.Boolean({ description: 'Whether its owner had shown who they are' }),
  lastActivityAt: Type.Optional(Time('When somebody did something last')),
  channels: Type.Array(ChannelView, { description: 'The connections that are open to it' })
})])
export type AdminSession = Static<typeof AdminSession>

export const AdminSessions = Type.Object({
  sessions: Type.Array(AdminSession, { description: 'Oldest first' }),
  total: Count('How many there are, on all pages'),
  next: Type.Optional(Type.String({ description: 'There are more: ask for them with this as `after`' }))
})

export const EndedSessions = Type.Object({
  dryRun: Type.Boolean(),
  ended: Type.Array(SessionId, { description: 'Those that have ended; with dryRun, those that would' }),
  failed: Type.Array(SessionId, { description: 'Those of which something is left: the server goes on trying' })
})

const SoMany = {
  created: Count('Sessions that became ready'),
  failed: Count('Sessions that did not'),
  ended: Count('Sessions that ended after they had been ready'),
  users: Count('Users whose sessions became ready'),
  peak: Count('Most sessions at once')
}

export const Statistics = Type.Object({
  now: Type.Object({
    total: Count('Sessions that have not ended'),
    authenticated: Count('Of them, those whose owner had shown who they are'),
    users: Count('Users who have sessions'),
    idle: Count('Ready ones with which nobody has done anything for five minutes'),
    queued: Count('Creations that wait for their turn'),
    byState: Type.Object({ creating: Type.Integer(), ready: Type.Integer(), stopping: Type.Integer() })
  }),
  sinceStart: Type.Object({ startedAt: Time('When this server was started'), ...SoMany }),
  days: Type.Array(Type.Object({ day: Type.String({ description: 'UTC' }), ...SoMany }), { description: 'Days on which something happened, the newest first' })
})

export const StatisticsQuery = Type.Object({
  days: Type.Optional(Type.Integer({ minimum: 0, maximum: 400, default: 30, description: 'How many days at most' }))
}, { additionalProperties: false })

const Action = Type.Union(AUDITED_ACTIONS.map(action => Type.Literal(action)))

export const AuditLogQuery = Type.Object({
  user: Type.Optional(Type.String({ maxLength: 255 })),
  action: Type.Optional(Action),
  target: Type.Optional(Type.String({ maxLength: 255, description: 'What it was done to: the id of a session or of a key, or a user' })),
  before: Type.Optional(Type.Integer({ minimum: 1, description: 'Only entries with a lower number: the last one of the page before' })),
  limit: Limit,
  verify: Type.Optional(Type.Boolean({ default: false, description: 'Compute the whole chain anew' }))
}, { additionalProperties: false })

export const AuditLog = Type.Object({
  entries: Type.Array(Type.Object({
    seq: Type.Integer({ description: 'Its number, from 1' }),
    at: Time('When'),
    user: Type.String({ description: 'Who: `server` for what it did by itself, `terminal` for a command of root\'s' }),
    address: Type.Optional(Type.String({ description: 'Where from' })),
    action: Action,
    target: Type.Optional(Type.String({ description: 'To what' })),
    details: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
    hash: Type.String({ description: 'SHA-256 of the hash before, the number and the entry as it was written' })
  }), { description: 'Newest first' }),
  head: Type.Object({ seq: Type.Integer(), hash: Type.String() }, { description: 'The newest entry: kept elsewhere, it tells later whether the end was cut off' }),
  intact: Type.Optional(Type.Boolean({ description: 'With `verify`: whether every entry is as it was written, and none is missing before another' })),
  firstBroken: Type.Optional(Type.Integer({ description: 'The number of the first that is not' }))
})
