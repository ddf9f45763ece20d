import type { FirstFiles } from './capabilities.ts'
import type { SessionFacts } from '#domain/session.ts'

/** What a new session goes on from: an earlier session. */
export interface Remembered {
  /** The options of the earlier session. */
  options: Pick<SessionFacts, 'template' | 'width' | 'height'> & { profile?: boolean }
  /** Its files; undefined when they are not known. */
  own: FirstFiles | undefined
  /** The earlier session of this server, and the time from which it goes on. */
  from?: Pick<SessionFacts, 'recoveredFrom' | 'recoveredAt'>
  /** The port that its dev server had, if the new one is to have it where it is free: pages' storage belongs to an address with its port. */
  devServerPort?: number
  /** Gives the new session what its programs need to find when they start: the browser's profile. */
  prepare?: (facts: SessionFacts, signal: AbortSignal) => Promise<void>
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
