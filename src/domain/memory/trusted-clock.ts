import { elapsedMs, type Moment } from '#domain/live/clocks.ts'

/** What is kept between two looks at the clock: the moment of the last one, and how long the clock is still not trusted. */
export interface ClockWatch { wall: string, bootId: string, uptimeMs: number, waitMs: number }

/** A clock that goes ahead or back by more than this, against the machine's uptime, has been set. */
const JUMP_MS = 86_400_000
/** So long is nothing deleted after that: time to put a wrong clock right. */
const WAIT_MS = 86_400_000

/**
 * Looks at the clock again. While `waitMs` of the result is above 0, nothing is to be deleted by it. A machine that was off for
 * more than a day looks the same as a clock that was set ahead, and waits, too.
 */
export function watchClock (before: ClockWatch | undefined, now: Moment): ClockWatch {
  const seen = { wall: now.wall.toISOString(), bootId: now.bootId, uptimeMs: now.uptimeMs }
  if (!before) return { ...seen, waitMs: 0 }
  const isSameBoot = before.bootId !== '' && before.bootId === now.bootId
  const wallMs = now.wall.getTime() - Date.parse(before.wall)
  const upMs = isSameBoot ? elapsedMs({ ...before, wall: new Date(before.wall) }, now) : Math.min(now.uptimeMs, Math.max(0, wallMs))
  const hasJumped = Math.abs(wallMs - upMs) > JUMP_MS
  return { ...seen, waitMs: hasJumped ? WAIT_MS : Math.max(0, before.waitMs - upMs) }
}
