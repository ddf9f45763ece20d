import type { EndReason } from '#domain/session.ts'

/**
 * The clocks that end a session: four run, and a fifth while the server is drained. The first one that is over ends it. Times are milliseconds of one monotonic
 * clock, which callers read.
 */

/** The names of the clocks, as causes of an end. */
export const EXPIRY_CAUSES = ['idle', 'session-timeout', 'never-used', 'given-up', 'drain'] as const
export type ExpiryCause = typeof EXPIRY_CAUSES[number]

/** The reason of the end that a clock brings. */
export const END_OF: Record<ExpiryCause, EndReason> = { idle: 'idle', 'session-timeout': 'expired', 'never-used': 'never-used', 'given-up': 'crashed', drain: 'drained' }

/** The duration of each clock; 0 turns it off. */
export interface ClockLimits {
  /** Since the last action. */
  idleMs: number
  /** Since the session was ready. */
  sessionMs: number
  /** Since the session was ready, until it is viewed or used. */
  connectMs: number
  /** Since a program that the session needs was given up, until it is back. */
  givenUpMs: number
  /** The time between the warning and the end. */
  warningMs: number
  /** The time when a drain of the server began, and its deadline, if sessions end then. The warning comes at once. */
  drain?: { since: number, at: number } | undefined
}

/** The durations from the settings, which are in seconds. */
export function clockLimitsOf (set: Record<'idleTimeout' | 'sessionTimeout' | 'connectTimeout' | 'givenUpTimeout' | 'expiryWarning', number>): ClockLimits {
  return {
    idleMs: set.idleTimeout * 1000,
    sessionMs: set.sessionTimeout * 1000,
    connectMs: set.connectTimeout * 1000,
    givenUpMs: set.givenUpTimeout * 1000,
    warningMs: set.expiryWarning * 1000
  }
}

/** The state of one session's clocks. */
export interface Clocks {
  readyAt: number
  /** The time of the last use. */
  activeAt: number
  /** The number of running tasks. The session is not idle while there are any. */
  working: number
  /** Whether it was ever viewed or used. */
  isUsed: boolean
  /** When a needed program was given up; undefined when none is. */
  givenUpAt?: number | undefined
}

/** New clocks of a session that is ready at `now`. */
export function newClocks (now: number): Clocks {
  return { readyAt: now, activeAt: now, working: 0, isUsed: false }
}

/** The first end to come, and the time of its warning. */
export interface Expiry { at: number, warnAt: number, because: ExpiryCause }

/** When and why the session ends if it is not used again; undefined when no clock runs. */
export function expiryOf (clocks: Clocks, { idleMs, sessionMs, connectMs, givenUpMs, warningMs, drain }: ClockLimits): Expiry | undefined {
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
  if (drain && !(first && first.at <= drain.at)) return { at: drain.at, warnAt: drain.since, because: 'drain' }
  return first
}

/** The time since the last use. */
export function idleFor ({ activeAt, working }: Clocks, now: number): number {
  return working > 0 ? 0 : Math.max(0, now - activeAt)
}

/** A session's clocks as clients see them. */
export interface Shown { idleMs: number, expiry?: { inMs: number, warningInMs: number, because: ExpiryCause } }

export function shownOf (clocks: Clocks, limits: ClockLimits, now: number): Shown {
  const expiry = expiryOf(clocks, limits)
  const from = (at: number) => Math.max(0, Math.round(at - now))
  return {
    idleMs: Math.round(idleFor(clocks, now)),
    ...(expiry && { expiry: { inMs: from(expiry.at), warningInMs: from(expiry.warnAt), because: expiry.because } })
  }
}

/** A moment by two clocks: wall time, and the machine's uptime, which nobody can set. */
export interface Moment { wall: Date, bootId: string, uptimeMs: number }

/** The state of a session's clocks at a moment, kept for the next server. */
export interface ClockNote extends Moment { ageMs: number, idleMs: number, isUsed: boolean }

/** A note of the clocks at `now`, which is also `moment`. */
export function noteOf (clocks: Clocks, now: number, moment: Moment): ClockNote {
  return { ...moment, ageMs: now - clocks.readyAt, idleMs: idleFor(clocks, now), isUsed: clocks.isUsed }
}

/** The clocks, continued from the note of an earlier server. The time without a server counts as well. */
export function clocksFrom (note: ClockNote, now: number, moment: Moment): Clocks {
  const elapsed = elapsedMs(note, moment)
  return { readyAt: now - note.ageMs - elapsed, activeAt: now - note.idleMs - elapsed, working: 0, isUsed: note.isUsed }
}

/** The time between two moments, by the uptime if there was no boot between them: wall time may have been set. Never less than 0. */
export function elapsedMs (from: Moment, to: Moment): number {
  const isSameBoot = from.bootId !== '' && from.bootId === to.bootId
  return Math.max(0, isSameBoot ? to.uptimeMs - from.uptimeMs : to.wall.getTime() - from.wall.getTime())
}
