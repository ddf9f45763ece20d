import { Type, type Static } from '@sinclair/typebox'
import { AUDITED_ACTIONS } from '#domain/operations/audit-log.ts'
import { SessionId } from './common.ts'
import { UserName } from './key.ts'
import { SessionView } from './session.ts'

const Time = (description: string) => Type.String({ format: 'date-time', description })
const Count = (description: string) => Type.Integer({ description })
const Port = Type.Optional(Type.Integer({ description: 'Port of the client; absent behind a trusted proxy' }))
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'The most entries in the answer' }))

export const AdminSessionsQuery = Type.Object({
  user: Type.Optional(UserName),
  state: Type.Optional(SessionView.properties.state),
  olderThan: Type.Optional(Type.Integer({ minimum: 0, description: 'Only sessions that are at least so many seconds old' })),
  idle: Type.Optional(Type.Integer({ minimum: 0, description: 'Only ready sessions without use for at least so many seconds' })),
  limit: Limit,
  after: Type.Optional(Type.String({ pattern: '^\\d{1,15}-[0-9a-f]{32}$', description: 'The `next` of the page before' }))
}, { additionalProperties: false })
export type AdminSessionsQuery = Static<typeof AdminSessionsQuery>

const ChannelView = Type.Object({
  id: Type.String({ description: 'Names the connection' }),
  type: Type.Union([Type.Literal('viewer'), Type.Literal('events')], { description: 'viewer: a page that shows the display; events: a reader of events' }),
  user: Type.Optional(Type.String({ description: 'The user, where known' })),
  share: Type.Optional(Type.String({ description: 'The id of the link that the viewer came by' })),
  address: Type.String({ description: 'Address of the client' }),
  port: Port,
  openedAt: Time('When the channel was opened')
}, { title: 'Channel', description: 'An open connection to a session' })

export const AdminSession = Type.Intersect([SessionView, Type.Object({
  address: Type.String({ description: 'Address from which the owner requested the session' }),
  port: Port,
  authenticated: Type.Boolean({ description: 'Whether the owner was authenticated' }),
  lastActivityAt: Type.Optional(Time('Time of the last use')),
  channels: Type.Array(ChannelView, { description: 'The open connections to the session' })
})], { title: 'AdminSession', description: 'A session, and what only admins see of it' })
export type AdminSession = Static<typeof AdminSession>

export const AdminSessions = Type.Object({
  sessions: Type.Array(AdminSession, { description: 'Oldest first' }),
  total: Count('Number of sessions on all pages'),
  next: Type.Optional(Type.String({ description: 'Present when there are more sessions: send it as `after` to get them' }))
}, { title: 'AdminSessions', description: 'One page of everybody\'s sessions' })

export const EndedSessions = Type.Object({
  dryRun: Type.Boolean({ description: 'Whether the sessions were only listed' }),
  ended: Type.Array(SessionId, { description: 'The sessions that have ended; with dryRun, the sessions that would end' }),
  failed: Type.Array(SessionId, { description: 'The sessions whose teardown failed: the server goes on trying' })
}, { title: 'EndedSessions', description: 'The sessions of a user that have ended' })

const SoMany = {
  created: Count('Sessions that became ready'),
  failed: Count('Sessions that did not become ready'),
  ended: Count('Sessions that ended after they had been ready'),
  users: Count('Users whose sessions became ready'),
  peak: Count('Most sessions at once')
}

export const Statistics = Type.Object({
  now: Type.Object({
    total: Count('Sessions that have not ended'),
    authenticated: Count('Of them, sessions whose owner was authenticated'),
    users: Count('Users who have sessions'),
    idle: Count('Ready sessions without use for five minutes'),
    queued: Count('Creations that wait for their turn'),
    byState: Type.Object({ creating: Type.Integer(), ready: Type.Integer(), stopping: Type.Integer() }, { title: 'CountsByState', description: 'Sessions by their state' })
  }, { title: 'CountsNow', description: 'Sessions at present' }),
  sinceStart: Type.Object({ startedAt: Time('When this server was started'), ...SoMany }, { title: 'CountsSinceStart', description: 'Sessions since the start of this server' }),
  days: Type.Array(Type.Object({ day: Type.String({ description: 'UTC' }), ...SoMany }, { title: 'CountsOfDay', description: 'Sessions of one day' }), { description: 'Days with at least one event, the newest first' })
}, { title: 'Statistics', description: 'Counts of sessions' })

export const StatisticsQuery = Type.Object({
  days: Type.Optional(Type.Integer({ minimum: 0, maximum: 400, default: 30, description: 'The most days in the answer' }))
}, { additionalProperties: false })

const Action = Type.Union(AUDITED_ACTIONS.map(action => Type.Literal(action)), { title: 'AuditedAction', description: 'What was done' })

export const AuditLogQuery = Type.Object({
  user: Type.Optional(Type.String({ maxLength: 255, description: 'The user who acted' })),
  action: Type.Optional(Action),
  target: Type.Optional(Type.String({ maxLength: 255, description: 'The target of the action: the id of a session or of a key, or a user' })),
  before: Type.Optional(Type.Integer({ minimum: 1, description: 'Only entries with a lower number: send the last number of the page before' })),
  limit: Limit,
  verify: Type.Optional(Type.Boolean({ default: false, description: 'Compute the whole chain anew' }))
}, { additionalProperties: false })

export const AuditLog = Type.Object({
  entries: Type.Array(Type.Object({
    seq: Type.Integer({ description: 'Number of the entry, from 1' }),
    at: Time('Time of the action'),
    user: Type.String({ description: 'The user who acted; `server` for the server\'s own actions, `terminal` for commands of root' }),
    address: Type.Optional(Type.String({ description: 'Address of the client' })),
    port: Port,
    action: Action,
    target: Type.Optional(Type.String({ description: 'The session, key, link or user that the action concerned' })),
    details: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
    erased: Type.Optional(Type.Literal(true, { description: 'What the entry said of a user was erased. In the place of the user who acted stands `erased`' })),
    hash: Type.String({ description: 'SHA-256 of the hash before, the number and the text of the entry, which has salted hashes in the place of people' })
  }, { title: 'AuditLogEntry', description: 'One action' }), { description: 'Newest first' }),
  head: Type.Object({ seq: Type.Integer(), hash: Type.String() }, { title: 'AuditLogHead', description: 'The newest entry. A copy of it elsewhere shows later whether the end of the log was cut off' }),
  intact: Type.Optional(Type.Boolean({ description: 'With `verify`: whether every entry is as it was written, and none is missing before another' })),
  firstBroken: Type.Optional(Type.Integer({ description: 'The number of the first broken entry' }))
}, { title: 'AuditLog', description: 'One page of the audit log' })
