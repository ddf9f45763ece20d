import type { EndState } from '#domain/session.ts'
import type { Change } from '#domain/storage/records.ts'
import { userScope } from '#domain/storage/user-scope.ts'
import type { Analytics } from './analytics.ts'

/** What is kept of an ended session for sums over many. An erased one has no id and no owner. */
export interface Summary {
  id?: string
  owner?: string
  template: string
  /** When it was ready; of one that failed, when its creation began. */
  begunAt: string
  endedAt: string
  state: EndState
  reason: string
  durationMs: number
}

/** Where the summary of an ended session is. */
export interface SummaryPlace { owner: string, day: string, key: string }

/** The partition of the summaries of one day (UTC, `2026-01-31`), by the time of the end. */
export const summariesOf = (day: string) => `summaries/${day}`
/** Day -> {}: the days that have summaries. */
export const SUMMARY_DAYS = 'ended/days'
/** Session's id -> `SummaryPlace`. */
export const SUMMARY_PLACES = 'ended/places'
/** The analytics of a user's sessions, by their ids. */
export const analyticsOf = (user: string) => `analytics/${userScope(user)}`

export const dayOf = (time: string) => time.slice(0, 10)

/** The records that a session leaves at its end. Of one that was never ready, only the summary is kept. */
export function remainsOf (of: Analytics): [partition: string, changes: Change[]][] {
  const { id, owner, template, createdAt, ready, end } = of
  if (!end) throw new Error(`the session ${id} has not ended`)
  const { at: endedAt, state, reason, durationMs } = end
  const summary: Summary = { id, owner, template, begunAt: state === 'failed' ? createdAt : ready.wall, endedAt, state, reason, durationMs }
  const place: SummaryPlace = { owner, day: dayOf(endedAt), key: `${endedAt} ${id}` }
  return [
    ...(state === 'failed' ? [] : [[analyticsOf(owner), [{ key: id, value: of }]] as [string, Change[]]]),
    [summariesOf(place.day), [{ key: place.key, value: summary }]],
    [SUMMARY_PLACES, [{ key: id, value: place }]],
    [SUMMARY_DAYS, [{ key: place.day, value: {} }]]
  ]
}
