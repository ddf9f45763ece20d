import { Type, type Static } from '@sinclair/typebox'
import { EVENT_TYPES } from '#domain/live/event.ts'
import { Problems } from './problem.ts'
import { ExpiresAt, ExpiresBecause } from './expiry.ts'

export const EventsQuery = Type.Object({
  follow: Type.Optional(Type.Boolean({ default: true, description: 'Stay for what happens from now on; false ends the answer after what has happened' }))
}, { additionalProperties: false })
export type EventsQuery = Static<typeof EventsQuery>

export const SessionEvent = Type.Object({
  at: Type.String({ format: 'date-time' }),
  type: Type.Union(EVENT_TYPES.map(type => Type.Literal(type)), { description: 'expiring: the session is about to end by itself; extended: it is not any more; pushed: files were written; reloaded: the browser runs them; problem: what is wrong with the extension has changed; warning: what follows is the server\'s doing, for the reason that is given; heartbeat: nothing happened for 15 s' }),
  message: Type.String(),
  service: Type.Optional(Type.String({ description: 'xvfb, xpra, browser or dev-server' })),
  exitCode: Type.Optional(Type.Integer({ description: 'With which code the service ended' })),
  signal: Type.Optional(Type.String({ description: 'Which signal killed the service' })),
  lastLines: Type.Optional(Type.Array(Type.String(), { description: 'What the service printed last' })),
  retryInMs: Type.Optional(Type.Integer({ description: 'When the service is started again' })),
  reason: Type.Optional(Type.String({ description: 'Why the session has ended, or is about to' })),
  expiresAt: Type.Optional(ExpiresAt),
  expiresBecause: Type.Optional(ExpiresBecause),
  version: Type.Optional(Type.Integer({ description: 'How many pushes there were, with the one that this is about' })),
  ms: Type.Optional(Type.Integer({ description: 'From when the change was noticed until the tabs were told to reload' })),
  tabs: Type.Optional(Type.Integer({ description: 'How many tabs were reloaded' })),
  closed: Type.Optional(Type.Array(Type.String(), { description: 'Pages of the extension that Chromium closed, and that could not be opened again' })),
  replaced: Type.Optional(Type.Array(Type.String(), { description: 'Ids of extensions that are gone: the manifest has another key' })),
  problems: Type.Optional(Problems)
}, { $id: 'SessionEvent', description: 'One line of a session\'s events' })
