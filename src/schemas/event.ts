import { Type, type Static } from '@sinclair/typebox'
import { EVENT_TYPES } from '#domain/live/event.ts'
import { PROGRAM_NAMES } from '#domain/programs/programs.ts'
import { Problems } from './problem.ts'
import { RecoveredAt, RecoveredFrom } from './recovery.ts'
import { ExpiresAt, ExpiresBecause } from './expiry.ts'

export const EventsQuery = Type.Object({
  follow: Type.Optional(Type.Boolean({ default: true, description: 'Send new events as they happen; false ends the answer after the past events' }))
}, { additionalProperties: false })
export type EventsQuery = Static<typeof EventsQuery>

export const SessionEvent = Type.Object({
  at: Type.String({ format: 'date-time' }),
  type: Type.Union(EVENT_TYPES.map(type => Type.Literal(type)), { title: 'EventType', description: 'expiring: the session is about to end by itself; extended: that end is postponed; draining: the server takes no new sessions, and ends this one at `expiresAt` if that is there; drain-cancelled: it takes sessions again; pushed: files were written; reloaded: the browser has loaded them; confirmed: it runs this version, and the service worker has started; activity-…: an activity of pushes has begun, or ended; problem: the problems of the extension have changed; viewer-thrown-out: a viewer of the display broke the protocol, sent at most once a minute; state: the state has changed, sent only to those who read at that moment; store-away: the server\'s store does not answer, so that nothing it would keep can be changed; store-back: it answers again; warning: the server is about to act, for the given reason; heartbeat: no event for 15 s' }),
  message: Type.String(),
  service: Type.Optional(Type.String({ description: `${PROGRAM_NAMES.slice(0, -1).join(', ')} or ${PROGRAM_NAMES.at(-1)}` })),
  exitCode: Type.Optional(Type.Integer({ description: 'Exit code of the service' })),
  signal: Type.Optional(Type.String({ description: 'Signal that killed the service' })),
  lastLines: Type.Optional(Type.Array(Type.String(), { description: 'Last lines of the service\'s output' })),
  retryInMs: Type.Optional(Type.Integer({ description: 'Time until the service is started again' })),
  reason: Type.Optional(Type.String({ description: 'Why the session has ended, or is about to' })),
  expiresAt: Type.Optional(ExpiresAt),
  expiresBecause: Type.Optional(ExpiresBecause),
  version: Type.Optional(Type.Integer({ description: 'Number of pushes to the session, the one of this event included; of a state event, the version of the state' })),
  category: Type.Optional(Type.String({ description: 'The category of the state that has changed; absent when several have' })),
  key: Type.Optional(Type.String({ description: 'The value of the state that has changed; absent when several have' })),
  files: Type.Optional(Type.Integer({ description: 'Number of files that the push wrote or deleted' })),
  activity: Type.Optional(Type.Integer({ description: 'Number of the activity' })),
  ms: Type.Optional(Type.Integer({ description: 'Time from the notice of the change to the command to reload the tabs' })),
  tabs: Type.Optional(Type.Integer({ description: 'Number of reloaded tabs' })),
  closed: Type.Optional(Type.Array(Type.String(), { description: 'Pages of the extension that Chromium closed and that could not be opened again' })),
  replaced: Type.Optional(Type.Array(Type.String(), { description: 'Ids of removed extensions: the manifest has another key' })),
  problems: Type.Optional(Problems),
  user: Type.Optional(Type.String({ description: 'User of the viewer that was thrown out' })),
  share: Type.Optional(Type.String({ description: 'Link of the viewer that was thrown out' })),
  recoveredFrom: Type.Optional(RecoveredFrom),
  recoveredAt: Type.Optional(RecoveredAt)
}, { title: 'SessionEvent', description: 'One line of a session\'s events' })
