import type { EndState } from '#domain/session.ts'
import { userScope } from '#domain/storage/user-scope.ts'
import type { Analytics } from './analytics.ts'

/** What is kept of an ended session for sums over many. An erased one has no owner. */
export interface Summary {
  owner?: string
  template: string
  /** When it was ready; of one that failed, when its creation began. */
  begunAt: string
  endedAt: string
  state: EndState
  reason: string
  durationMs: number
}

/** The name of the index of summaries. */
export const SUMMARIES = 'summaries'

/** The partition with the analytics of a user's sessions, by their ids. */
export const analyticsOf = (user: string) => `analytics/${userScope(user)}`

export function summaryOf ({ id, owner, template, createdAt, ready, end }: Analytics): Summary {
  if (!end) throw new Error(`the session ${id} has not ended`)
  const { at: endedAt, state, reason, durationMs } = end
  return { owner, template, begunAt: state === 'failed' ? createdAt : ready.wall, endedAt, state, reason, durationMs }
}
