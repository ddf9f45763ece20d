import type { EndReason } from '#domain/session.ts'

/**
 * When a session ends by itself: four clocks run, and the first one that is over ends it. Times are milliseconds of one
 * clock that only goes forward; nothing here reads it.
 */

/** Which clock is over first. */
export const EXPIRY_CAUSES = ['idle', 'session-timeout', 'never-used', 'given-up'] as const
export type ExpiryCause = typeof EXPIRY_CAUSES[number]

/** The reason of the end that a clock brings. */
export const END_OF: Record<ExpiryCause, EndReason> = { idle: 'idle', 'session-timeout': 'expired', 'never-used': 'never-used', 'given-up': 'crashed' }

/** How long each clock runs; 0 turns it off. */
export interface ClockLimits {
  /** Since the last action. */
  idleMs: number
  /** Since the session was ready. */
  sessionMs: number
  /** Since the session was ready, until it is viewed or used. */
  connectMs: number
  /** Since a program was given up without which the session is no use, until it is back. */
  givenUpMs: number
  /** How long before the end it is said. */
  warningMs: number
}

/** What has happened to one session, as far as its clocks are concerned. */
export interface Clocks {
  readyAt: number
  /** When somebody did something last. */
  activeAt: number
  /** How much is under way: as long as something is, the session is not idle. */
  working: number
  /** Whether it was ever viewed or used. */
  isUsed: boolean
  /** When such a program was given up; undefined when none is. */
  givenUpAt?: number | undefined
}

/** The end that comes first, and when it is time to say so. */
export interface Expiry { at: number, warnAt: number, because: ExpiryCause }

/** When and why the session ends if nothing happens any more; undefined when no clock runs. */
export function expiryOf (clocks: Clocks, { idleMs, sessionMs, connectMs, givenUpMs, warningMs }: ClockLimits): Expiry | undefined {
  const { readyAt, activeAt, working, isUsed, givenUpAt } = clocks
  let first: Expiry | undefined
  const run = (because: ExpiryCause, since: number, ms: number) => {
    if (ms === 0 || (first && first.at <= since + ms)) return
    const at = since + ms
    first = { at, warnAt: at - Math.min(warningMs, ms / 2), because } // a short clock is half over before it warns
  }
  run('session-timeout', readyAt, sessionMs)
  if (working === 0) run('idle', activeAt, idleMs)
  if (!isUsed) run('never-used', readyAt, connectMs)
  if (givenUpAt !== undefined) run('given-up', givenUpAt, givenUpMs)
  return first
}

/** How long nobody has done anything. */
export function idleFor ({ activeAt, working }: Clocks, now: number): number {
  return working > 0 ? 0 : Math.max(0, now - activeAt)
}

/** What is shown of a session's clocks. */
export interface Shown { idleMs: number, expiry?: { inMs: number, warningInMs: number, because: ExpiryCause } }

export function shownOf (clocks: Clocks, limits: ClockLimits, now: number): Shown {
  const expiry = expiryOf(clocks, limits)
  const from = (at: number) => Math.max(0, Math.round(at - now))
  return {
    idleMs: Math.round(idleFor(clocks, now)),
    ...(expiry && { expiry: { inMs: from(expiry.at), warningInMs: from(expiry.warnAt), because: expiry.because } })
  }
}

/** A moment, by the clock on the wall and by the machine's own, which nobody can set and which counts from its boot. */
export interface Moment { wall: Date, bootId: string, uptimeMs: number }

/** What is kept of a session's clocks for the next server: how far they were at a moment. */
export interface ClockNote extends Moment { ageMs: number, idleMs: number, isUsed: boolean }

/** Notes how far the clocks are `now`, which is `moment`. */
export function noteOf (clocks: Clocks, now: number, moment: Moment): ClockNote {
  return { ...moment, ageMs: now - clocks.readyAt, idleMs: idleFor(clocks, now), isUsed: clocks.isUsed }
}

/** The clocks go on from the note of an earlier server: the time without a server counts as well. */
export function clocksFrom (note: ClockNote, now: number, moment: Moment): Clocks {
  const elapsed = elapsedMs(note, moment)
  return { readyAt: now - note.ageMs - elapsed, activeAt: now - note.idleMs - elapsed, working: 0, isUsed: note.isUsed }
}

/** By the machine's clock, unless it was booted between the two: the wall's may have been set. Never less than 0. */
export function elapsedMs (from: Moment, to: Moment): number {
  const isSameBoot = from.bootId !== '' && from.bootId === to.bootId
  return Math.max(0, isSameBoot ? to.uptimeMs - from.uptimeMs : to.wall.getTime() - from.wall.getTime())
}
