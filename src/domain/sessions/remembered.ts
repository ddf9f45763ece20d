import type { FirstFiles } from './capabilities.ts'
import type { SessionFacts } from '#domain/session.ts'

/** What a new session goes on from: an earlier session. */
export interface Remembered {
  /** The options of the earlier session. */
  options: Pick<SessionFacts, 'template' | 'width' | 'height'>
  /** Its files; undefined when they are not known. */
  own: FirstFiles | undefined
  /** The earlier session of this server, and the time from which it goes on. */
  from?: Pick<SessionFacts, 'recoveredFrom' | 'recoveredAt'>
  /** Gives the new session the rest, before it is ready: its state, the extension's storage, the tabs. */
  restore (facts: SessionFacts, signal: AbortSignal): Promise<void>
  /** Called once, last: with whether the session is ready. */
  over (isReady: boolean): Promise<void>
}

/** The earlier session that the session goes on from, for answers and events. */
export function originOf ({ recoveredFrom, recoveredAt }: SessionFacts): Pick<SessionFacts, 'recoveredFrom' | 'recoveredAt'> {
  return { ...(recoveredFrom !== undefined && { recoveredFrom }), ...(recoveredAt !== undefined && { recoveredAt }) }
}

/** Finds what a creation goes on from. Called once, before the creation is admitted. */
export type Remember = () => Promise<Remembered>
