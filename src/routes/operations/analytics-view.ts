import type { Analytics } from '#domain/operations/analytics.ts'
import { MARKS } from '#domain/operations/timeline.ts'
import type { SessionAnalytics } from '#schemas/analytics.ts'

/** Analytics as clients see them. `durationMs` is the session's until now, or until its end. */
export function viewAnalytics (of: Analytics, durationMs: number, { costPerHour, isTrafficCounted }: { costPerHour: number, isTrafficCounted: boolean }): SessionAnalytics {
  const { reloads, timeline: { partMs, rows } } = of
  const activeMs = Math.min(of.activeMs, durationMs)
  const hours = durationMs / 3_600_000
  const begunAt = Date.parse(of.ready.wall)
  return {
    id: of.id,
    owner: of.owner,
    template: of.template,
    createdAt: of.createdAt,
    readyAt: of.ready.wall,
    ...(of.end && { end: { at: of.end.at, state: of.end.state, reason: of.end.reason } }),
    time: { duration: inSeconds(durationMs), active: inSeconds(activeMs), idle: inSeconds(durationMs - activeMs) },
    viewing: { views: of.views, viewers: of.viewers.length, atOnce: of.viewersAtOnce },
    code: {
      pushes: of.pushes,
      files: of.files,
      builds: of.builds,
      failedBuilds: of.failedBuilds,
      reloads: { count: reloads.count, ...(reloads.count > 0 && { meanMs: Math.round(reloads.totalMs / reloads.count), maxMs: reloads.maxMs, lastMs: reloads.lastMs }) }
    },
    requests: { count: of.calls, refused: of.refusedCalls },
    machine: {
      cpuSeconds: Math.round(of.cpuSeconds.total * 1000) / 1000,
      memoryPeakBytes: of.memoryPeakBytes,
      ...(isTrafficCounted && { sentBytes: of.sentBytes.total, receivedBytes: of.receivedBytes.total }),
      programExits: of.exits,
      servers: of.servers
    },
    ...(costPerHour > 0 && { cost: { estimate: Math.round(hours * costPerHour * 10_000) / 10_000, hours: Math.round(hours * 10_000) / 10_000, perHour: costPerHour } }),
    timeline: rows.map(([part = 0, ...counts]) => ({
      at: new Date(begunAt + part * partMs).toISOString(),
      seconds: partMs / 1000,
      ...Object.fromEntries(MARKS.map((name, index) => [name, counts[index] ?? 0])) as Record<typeof MARKS[number], number>
    }))
  }
}

function inSeconds (ms: number): number {
  return Math.round(ms) / 1000
}
