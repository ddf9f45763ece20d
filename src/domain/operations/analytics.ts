import { createHash } from 'node:crypto'
import { elapsedMs, type Moment } from '#domain/live/clocks.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import type { EndReason, EndState, SessionFacts } from '#domain/session.ts'
import { mark, newTimeline, type Timeline } from './timeline.ts'

/** What is counted of one session, from the moment when it was ready: kept as it is here, as JSON. */
export interface Analytics {
  id: string
  owner: string
  template: string
  createdAt: string
  /** When the session was ready. */
  ready: KeptMoment
  /** Set at the end of the session. */
  end?: { at: string, state: EndState, reason: string, durationMs: number }
  /** The time with use: between two uses that are at most a minute apart, and while work runs. */
  activeMs: number
  views: number
  viewersAtOnce: number
  /** Marks of the people who looked: hashes, so that nobody is named. */
  viewers: string[]
  pushes: number
  files: number
  builds: number
  failedBuilds: number
  reloads: { count: number, totalMs: number, maxMs: number, lastMs: number }
  calls: number
  refusedCalls: number
  exits: number
  servers: number
  cpuSeconds: Meter
  memoryPeakBytes: number
  sentBytes: Meter
  receivedBytes: Meter
  timeline: Timeline
}

type KeptMoment = Omit<Moment, 'wall'> & { wall: string }

/** A counter of the kernel. `last` is its value when it was last read: when it has fallen since, it began again from 0. */
interface Meter { total: number, last: number }

/** Values of the kernel's counters; absent where the host does not count. */
export interface Measured { cpuSeconds?: number | undefined, memoryPeakBytes?: number | undefined, sentBytes?: number | undefined, receivedBytes?: number | undefined }

/** Two uses that are further apart have idle time between them. */
export const ACTIVE_GAP_MS = 60_000
/** The most viewers that are told apart. */
const MAX_VIEWERS = 256

export function newAnalytics ({ id, owner, template, createdAt }: SessionFacts, now: Moment): Analytics {
  const meter = () => ({ total: 0, last: 0 })
  return {
    id,
    owner,
    template,
    createdAt: createdAt.toISOString(),
    ready: { ...now, wall: now.wall.toISOString() },
    activeMs: 0,
    views: 0,
    viewersAtOnce: 0,
    viewers: [],
    pushes: 0,
    files: 0,
    builds: 0,
    failedBuilds: 0,
    reloads: { count: 0, totalMs: 0, maxMs: 0, lastMs: 0 },
    calls: 0,
    refusedCalls: 0,
    exits: 0,
    servers: 1,
    cpuSeconds: meter(),
    memoryPeakBytes: 0,
    sentBytes: meter(),
    receivedBytes: meter(),
    timeline: newTimeline()
  }
}

/** How long the session has been ready, or was until its end. */
export function durationOf ({ ready, end }: Analytics, now: Moment): number {
  return end?.durationMs ?? elapsedMs({ ...ready, wall: new Date(ready.wall) }, now)
}

/** Counts an event of the session. Returns false when it counts for nothing. */
export function countEvent (of: Analytics, { type, files = 0, ms = 0 }: SessionEvent, ageMs: number): boolean {
  if (type === 'pushed') {
    of.pushes++
    of.files += files
    mark(of.timeline, 'pushes', ageMs)
  } else if (type === 'reloaded') {
    const { reloads } = of
    of.reloads = { count: reloads.count + 1, totalMs: reloads.totalMs + ms, maxMs: Math.max(reloads.maxMs, ms), lastMs: ms }
    mark(of.timeline, 'reloads', ageMs)
  } else if (type === 'service-exited') of.exits++
  else if (type === 'adopted') of.servers++
  else return false
  return true
}

export function countBuild (of: Analytics, isGood: boolean, ageMs: number): void {
  of.builds++
  if (!isGood) of.failedBuilds++
  mark(of.timeline, 'builds', ageMs)
}

export function countCall (of: Analytics, isRefused: boolean, ageMs: number): void {
  of.calls++
  if (isRefused) of.refusedCalls++
  mark(of.timeline, 'calls', ageMs)
}

/** Counts a viewer that has come, by the text that tells people apart; `atOnce` counts those that look now. */
export function countView (of: Analytics, who: string, atOnce: number, ageMs: number): void {
  const viewer = createHash('sha256').update(`${of.id} ${who}`).digest('base64url').slice(0, 12)
  of.views++
  of.viewersAtOnce = Math.max(of.viewersAtOnce, atOnce)
  if (of.viewers.length < MAX_VIEWERS && !of.viewers.includes(viewer)) of.viewers.push(viewer)
  mark(of.timeline, 'views', ageMs)
}

/** Takes what the kernel has counted so far. Readings of several servers do not add up: the kernel goes on counting between them. */
export function measure (of: Analytics, { memoryPeakBytes = 0, ...counters }: Measured): void {
  of.memoryPeakBytes = Math.max(of.memoryPeakBytes, memoryPeakBytes)
  for (const name of ['cpuSeconds', 'sentBytes', 'receivedBytes'] as const) {
    const { total, last } = of[name]
    const value = counters[name]
    if (value !== undefined) of[name] = { total: total + (value >= last ? value - last : value), last: value }
  }
}

export function close (of: Analytics, end: { at: string, state: EndState, reason: EndReason | string }, now: Moment): void {
  of.end = { ...end, durationMs: durationOf(of, now) }
}
