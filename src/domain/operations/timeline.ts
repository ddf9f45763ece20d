/** What is counted in each part of a timeline. */
export const MARKS = ['calls', 'pushes', 'builds', 'reloads', 'views'] as const
export type Mark = typeof MARKS[number]

/** Counts over a session's time, in parts of equal length. A row is the number of its part, from 0, and one count for each of `MARKS`; parts without a count have none. */
export interface Timeline { partMs: number, rows: number[][] }

const FIRST_PART_MS = 60_000
/** When a session lasts longer than so many parts, each two become one. */
const MAX_PARTS = 60

export function newTimeline (): Timeline {
  return { partMs: FIRST_PART_MS, rows: [] }
}

/** Counts one thing at this age of the session. */
export function mark (timeline: Timeline, what: Mark, ageMs: number): void {
  while (ageMs >= timeline.partMs * MAX_PARTS) halve(timeline)
  const part = Math.floor(Math.max(0, ageMs) / timeline.partMs)
  let row = timeline.rows.findLast(([index]) => index === part)
  if (!row) timeline.rows.push(row = [part, ...MARKS.map(() => 0)])
  row[MARKS.indexOf(what) + 1]!++
}

function halve (timeline: Timeline): void {
  const merged = new Map<number, number[]>()
  for (const [part = 0, ...counts] of timeline.rows) {
    const row = merged.get(part >> 1) ?? [part >> 1, ...MARKS.map(() => 0)]
    merged.set(part >> 1, row)
    counts.forEach((count, index) => { row[index + 1]! += count })
  }
  timeline.partMs *= 2
  timeline.rows = [...merged.values()]
}
