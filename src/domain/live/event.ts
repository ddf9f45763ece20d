import { constants } from 'node:os'
import type { Problem } from '#domain/programs/problem.ts'
import { isProgramName, type ProgramName } from '#domain/programs/programs.ts'
import type { ExpiryCause } from './clocks.ts'

/** The types of a session's events, as clients and operators read them. */
export const EVENT_TYPES = [
  'ready', 'adopted', 'service-exited', 'service-frozen', 'service-restarted', 'service-given-up', 'degraded', 'recovered',
  'firewall-lost', 'firewall-restored', 'store-away', 'store-back', 'expiring', 'extended', 'draining', 'drain-cancelled', 'pushed', 'reloaded', 'confirmed', 'activity-begun', 'activity-committed', 'activity-discarded', 'problem', 'viewer-thrown-out', 'state', 'warning', 'ended', 'failed', 'heartbeat'
] as const

export interface SessionEvent {
  at: string
  type: typeof EVENT_TYPES[number]
  message: string
  service?: ProgramName
  /** How the service's process ended: either an exit code or a signal. */
  exitCode?: number
  signal?: string
  /** The last lines that the service printed: text of the session. */
  lastLines?: string[]
  retryInMs?: number
  /** The reason of the session's end, which has come or is announced. */
  reason?: string
  /** When the session ends if it is not used, and the clock that ends it. */
  expiresAt?: string
  expiresBecause?: ExpiryCause
  /** The number of pushes, including the one that this event is about; of a `state` event, the version of the state. */
  version?: number
  /** The category that has changed, and the value, where it is one. Values themselves are in no event. */
  category?: string
  key?: string
  /** The number of files that a push wrote or deleted. */
  files?: number
  /** The number of an activity. */
  activity?: number
  /** The duration of a reload, from the moment the change was noticed, and the number of reloaded tabs. */
  ms?: number
  tabs?: number
  /** Pages of the extension that Chromium has closed, and ids of extensions that another one replaced. */
  closed?: string[]
  replaced?: string[]
  /** All problems of the extension. */
  problems?: Problem[]
  /** The user of the viewer that was thrown out, or the id of its link. */
  user?: string
  share?: string
  /** The earlier session that the session goes on from, and the time from which. */
  recoveredFrom?: string
  recoveredAt?: string
  /** The number of the line in the sandbox supervisor's file that the event came from. */
  line?: number
}

/** Tells whether an event is only for those who read at the moment: the state itself can be read later, and names in it may be meant for no disk. */
export function isPassing ({ type }: Pick<SessionEvent, 'type'>): boolean {
  return type === 'state'
}

/** The event of a reload after a push or any other change. */
export function reloadedEvent ({ tabs, closed, replaced }: { tabs: number, closed: string[], replaced: string[] }, version: number, ms: number): Omit<SessionEvent, 'at'> {
  const message = [
    `The extension was reloaded, and ${tabs === 1 ? 'one tab' : `${tabs} tabs`}`,
    ...closed.map(page => `${page} was closed`),
    ...replaced.map(id => `the extension ${id} of the same folder is gone`)
  ].join('; ')
  return { type: 'reloaded', message, version, ms, tabs, ...(closed.length > 0 && { closed }), ...(replaced.length > 0 && { replaced }) }
}

/** The event of a change of the extension's problems. */
export function problemsEvent (problems: Problem[]): Omit<SessionEvent, 'at'> {
  const [first] = problems
  return { type: 'problem', message: first ? `${first.file ?? 'The extension'}: ${first.message}` : 'The extension has no problems left', problems }
}

/** A line that the supervisor wrote when a service ended: `time service exit signal`; see finish.sh. */
export interface ServiceExit { line: number, at: string, service: ProgramName, exitCode?: number, signal?: string }

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number as number, name]))

/** Reads the supervisor's lines from `text`, which begins with line number `first`. Skips malformed lines. */
export function parseExits (text: string, first: number): ServiceExit[] {
  return text.split('\n').slice(0, -1).flatMap((line, index) => {
    const [, at, service, exit, signal] = /^(\S+) ([a-z-]+) (\d+) (\d+)$/.exec(line) ?? []
    if (at === undefined || service === undefined || !isProgramName(service)) return []
    const how = exit === '256' ? { signal: SIGNALS.get(Number(signal)) ?? `signal ${signal}` } : { exitCode: Number(exit) }
    return [{ line: first + index, at, service, ...how }]
  })
}
