import { END_REASONS, type EndReason, type SessionFacts } from '#domain/session.ts'
import type { Tab } from './tab.ts'

/** What a session was at one moment: all that a new session needs to go on from there. Its large parts are blobs. */
export interface Snapshot {
  /** The version of this form. */
  format: 1
  /** When it was taken, in ISO format. */
  at: string
  /** Why: at intervals, because a client asked for it, or because the session ended. */
  why: 'interval' | 'asked' | EndReason
  session: SnapshotFacts
  /** The number of pushes, and the tree of the sources; without a tree, the code is not known, and the template's is used. */
  version: number
  tree?: string
  /** The browser's tabs, from left to right. */
  tabs: Tab[]
  /** The id that the extension has in its browser. */
  extensionId?: string
  /** The names of the blobs that hold the session's state, and the extension's storage, as JSON. */
  state?: string
  storage?: string
  /** The blob with the browser's profile, a tar.gz. Only its own user may have it again. */
  profile?: { blob: string, bytes: number } | 'too-large'
}

/** The session's facts that are of use to a new one. */
export interface SnapshotFacts extends Pick<SessionFacts, 'id' | 'owner' | 'template' | 'width' | 'height'> {
  createdAt: string
  devServerPort: number
  /** The session keeps its browser's profile with its snapshots. */
  keepsProfile?: true
}

export function snapshotFacts ({ id, owner, template, width, height, createdAt, slot, keepsProfile }: SessionFacts): SnapshotFacts {
  return { id, owner, template, width, height, createdAt: createdAt.toISOString(), devServerPort: slot.devServerPort, ...(keepsProfile && { keepsProfile }) }
}

/** The ends after which nobody is to bring the session back. */
export const FOR_GOOD: readonly EndReason[] = ['deleted', 'killed', 'violation', 'failed', 'client-gone']

/** The scope of a snapshot's own blobs, beside that of the code. */
export const snapshotScope = (id: string) => `${id}.snapshot`

/** Whether nothing has changed from one snapshot to the next. Blobs are named by their content. */
export function isSame (one: Snapshot, other: Snapshot): boolean {
  const text = ({ at, why, ...rest }: Snapshot) => JSON.stringify(rest)
  return text(one) === text(other)
}

/** The server that runs a session, by its lease, and when another server noticed that it was lost. */
export interface Runner { server: string, lostAt?: string }

/** Whether the session was ending when the snapshot was taken. */
export function isOfEnd (why: Snapshot['why']): why is EndReason {
  return (END_REASONS as readonly string[]).includes(why)
}
