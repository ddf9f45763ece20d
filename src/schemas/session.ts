import { Type, type Static } from '@sinclair/typebox'
import { LOG_SOURCES } from '#domain/programs/programs.ts'
import { PushedFile } from './code-update.ts'
import { SessionId } from './common.ts'
import { Problems } from './problem.ts'
import { RecoveredAt, RecoveredFrom } from './recovery.ts'
import { ExpiresAt, ExpiresBecause } from './expiry.ts'

export const DisplayUrl = Type.String({ description: 'Address of the display page that opens without a login, so that a front end of EX10_ORIGINS can frame it. It opens the page for five minutes; the page then stays as long as the caller\'s credential. Only callers with the scope view get it, while the session is ready' })

export const CreateSessionOptions = Type.Object({
  template: Type.Optional(Type.String({ maxLength: 64, description: 'The starting extension; the server\'s default if absent' })),
  width: Type.Optional(Type.Integer({ minimum: 320, maximum: 3840, default: 1280, description: 'Width of the display until a viewer\'s page sets it, pixels' })),
  height: Type.Optional(Type.Integer({ minimum: 240, maximum: 2160, default: 800, description: 'Height of the display until a viewer\'s page sets it, pixels' })),
  profile: Type.Optional(Type.Boolean({ default: false, description: 'Recovery points hold the browser\'s profile, too: cookies, what pages have stored, history, bookmarks, passwords' }))
}, { additionalProperties: false })
export type CreateSessionOptions = Static<typeof CreateSessionOptions>

/** The body of a creation: its options, and the files that the session begins with. */
export const NewSession = Type.Object({
  ...CreateSessionOptions.properties,
  files: Type.Optional(Type.Array(PushedFile, { minItems: 1, maxItems: 1000, description: 'The files that the session begins with; the template\'s if absent' }))
}, { additionalProperties: false, title: 'NewSession', description: 'The session to create' })
export type NewSession = Static<typeof NewSession>

export const CreationHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]*$', description: 'Any visible ASCII characters. A repeated request with the key joins the first one, or gets the same answer' }))
})
export type CreationHeaders = Static<typeof CreationHeaders>

const SessionContext = Type.Object({
  address: Type.String({ description: 'Address of the client; empty when it is not known' }),
  userAgent: Type.Optional(Type.String({ description: 'The browser or program' })),
  referrer: Type.Optional(Type.String({ description: 'The page that the request came from, without its query' })),
  locale: Type.Optional(Type.String({ description: 'The preferred language, such as de-CH' }))
}, { title: 'SessionContext', description: 'The client that created the session, by what it said of itself. Lists of sessions leave it out' })

export const SessionView = Type.Object({
  id: SessionId,
  state: Type.Union(['creating', 'ready', 'stopping'].map(state => Type.Literal(state)), { title: 'SessionState', description: 'Sessions that have ended are not shown' }),
  health: Type.Union([Type.Literal('ok'), Type.Literal('degraded')], { description: 'degraded: one of its processes is down or restarting' }),
  url: Type.String({ description: 'Path of the display page' }),
  displayUrl: Type.Optional(DisplayUrl),
  owner: Type.String({ description: 'The user that the session belongs to' }),
  template: Type.String({ description: 'The starting extension' }),
  version: Type.Integer({ description: 'Number of pushes to the session' }),
  problems: Problems,
  context: Type.Optional(SessionContext),
  createdAt: Type.String({ format: 'date-time' }),
  recoveredFrom: Type.Optional(RecoveredFrom),
  recoveredAt: Type.Optional(RecoveredAt),
  keepsProfile: Type.Optional(Type.Literal(true, { description: 'Recovery points of the session hold its browser\'s profile' })),
  idleMs: Type.Optional(Type.Integer({ description: 'Time since the last use' })),
  expiresAt: Type.Optional(ExpiresAt),
  expiresBecause: Type.Optional(ExpiresBecause)
}, { title: 'Session', description: 'A session that has not ended' })
export type SessionView = Static<typeof SessionView>

export const SessionList = Type.Object({ sessions: Type.Array(SessionView) }, { title: 'SessionList', description: 'Sessions, oldest first' })

export const LogsQuery = Type.Object({
  source: Type.Union(LOG_SOURCES.map(source => Type.Literal(source)), { title: 'LogSource', description: 'The program whose output is wanted' }),
  tail: Type.Optional(Type.Integer({ minimum: 1, maximum: 5000, default: 200, description: 'Number of lines, from the end' }))
}, { additionalProperties: false })
export type LogsQuery = Static<typeof LogsQuery>

export const Logs = Type.Object({
  source: Type.String({ description: 'The program' }),
  lines: Type.Array(Type.String({ description: 'At most 8 KiB, without control characters' }))
}, { title: 'Logs', description: 'The last lines that a program printed' })
export type Logs = Static<typeof Logs>
