import { Type, type Static } from '@sinclair/typebox'
import { PERIODS, type Period } from '#domain/operations/usage-report.ts'
import { END_STATES } from '#domain/session.ts'
import { SessionId } from './common.ts'

const Count = (description: string) => Type.Integer({ minimum: 0, description })
const Seconds = (description: string) => Type.Number({ minimum: 0, description: `${description}, seconds` })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const SessionAnalytics = Type.Object({
  id: SessionId,
  owner: Type.String({ description: 'The user whose session it is' }),
  template: Type.String(),
  createdAt: Time('When the creation began'),
  readyAt: Time('When the session was ready. Everything below is counted from then on'),
  end: Type.Optional(Type.Object({
    at: Time('When nothing of the session was left'),
    state: Type.Union(END_STATES.map(state => Type.Literal(state))),
    reason: Type.String({ description: 'Why the session has ended' })
  }, { title: 'AnalyticsEnd', description: 'Absent while the session lives' })),
  time: Type.Object({
    duration: Seconds('From ready to the end, or until now'),
    active: Seconds('With use: between two uses that are at most a minute apart, and while a push, a build or a transfer runs'),
    idle: Seconds('The rest')
  }, { title: 'AnalyticsTime', description: 'How long the session has lived' }),
  viewing: Type.Object({
    views: Count('Connections that have shown the display'),
    viewers: Count('Different people among them, by user or link and by address; 256 at most'),
    atOnce: Count('Most connections at once')
  }, { title: 'AnalyticsViewing', description: 'How often the display was looked at' }),
  code: Type.Object({
    pushes: Count('Pushes that were written'),
    files: Count('Files that pushes wrote or deleted'),
    builds: Count('Builds; plain templates have none'),
    failedBuilds: Count('Of them, builds with an error'),
    reloads: Type.Object({
      count: Count('How often the browser has loaded changed code'),
      meanMs: Type.Optional(Count('Mean time, from the notice of the change')),
      maxMs: Type.Optional(Count('Longest time')),
      lastMs: Type.Optional(Count('Time of the last one'))
    }, { title: 'AnalyticsReloads', description: 'Reloads of the extension' })
  }, { title: 'AnalyticsCode', description: 'What was done with the code' }),
  requests: Type.Object({
    count: Count('Requests about this session that were answered'),
    refused: Count('Of them, requests that were answered with an error')
  }, { title: 'AnalyticsRequests', description: 'Calls of the API' }),
  machine: Type.Object({
    cpuSeconds: Type.Number({ minimum: 0, description: 'CPU time of all its programs' }),
    memoryPeakBytes: Count('Most memory at once, file cache included; 0 where the host does not count it'),
    sentBytes: Type.Optional(Count('Bytes that its programs sent to other machines, in IP packets. Absent where the firewall is iptables')),
    receivedBytes: Type.Optional(Count('Bytes that its programs received from other machines')),
    programExits: Count('Ends of its programs before its own end'),
    servers: Count('How many servers it has had: 1, and one more for each restart of the server')
  }, { title: 'AnalyticsMachine', description: 'What the session used of the machine' }),
  cost: Type.Optional(Type.Object({
    estimate: Type.Number({ description: 'hours × perHour' }),
    hours: Type.Number({ description: 'The duration in hours' }),
    perHour: Type.Number({ description: 'EX10_COST_PER_HOUR' })
  }, { title: 'AnalyticsCost', description: 'What the session has cost, by its duration alone. Absent without EX10_COST_PER_HOUR' })),
  timeline: Type.Array(Type.Object({
    at: Time('Beginning of the part'),
    seconds: Type.Integer({ description: 'Length of the part: one minute, or more in a session of more than an hour' }),
    calls: Type.Integer(),
    pushes: Type.Integer(),
    builds: Type.Integer(),
    reloads: Type.Integer(),
    views: Type.Integer()
  }, { title: 'AnalyticsPart', description: 'What happened in one part of the session' }), { maxItems: 60, description: 'Oldest first; parts in which nothing was counted are left out' })
}, { title: 'SessionAnalytics', description: 'What a session did and used' })
export type SessionAnalytics = Static<typeof SessionAnalytics>

export const UsageQuery = Type.Object({
  period: Type.Optional(Type.Union(Object.keys(PERIODS).map(period => Type.Literal(period as Period)), { default: 'day', description: 'The time until now: an hour, a day of 24 hours, a week, a month of 30 days' })),
  format: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('csv')], { description: 'Goes before the header Accept' }))
}, { additionalProperties: false })

const ByReason = (title: string, description: string) => Type.Array(Type.Object({ reason: Type.String(), count: Type.Integer() }, { title, description }), { description: 'Most first' })
const Shares = (title: string, description: string) => Type.Array(Type.Object({
  name: Type.String(),
  sessions: Count('Sessions that were ready in the period'),
  failed: Count('Sessions that did not become ready'),
  seconds: Type.Number({ description: 'Time within the period in which they were ready' })
}, { title, description }), { description: 'Most sessions first' })

export const UsageView = Type.Object({
  period: Type.String(),
  from: Time('Beginning of the period'),
  to: Time('Its end: now'),
  active: Count('Sessions at present'),
  total: Count('Sessions that were ready in the period, or failed in it'),
  ended: Count('Of them, sessions that have ended'),
  failed: Count('Of them, sessions that did not become ready'),
  peak: Count('Most ready sessions at once'),
  users: Count('Users who had one of these sessions'),
  durations: Type.Optional(Type.Object({ mean: Type.Number(), p50: Type.Number(), p95: Type.Number() }, { title: 'UsageDurations', description: 'Seconds from ready to the end, of the sessions that ended: the mean, the median and the 95th percentile' })),
  failures: ByReason('UsageFailure', 'Failed sessions, by the code of the step\'s error or the reason of the end'),
  ends: ByReason('UsageEnd', 'Ended sessions, by the reason of the end'),
  byTemplate: Shares('UsageOfTemplate', 'Sessions of one template'),
  byUser: Shares('UsageOfUser', 'Sessions of one user; the 1000 users with the most sessions')
}, { title: 'Usage', description: 'Sums over the sessions of a period' })
