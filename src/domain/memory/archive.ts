import type { SessionFacts } from '#domain/session.ts'
import { userScope } from '#domain/storage/user-scope.ts'

/** What remains of an ended session, beside its snapshot and its events, which are kept with the session's own key. */
export interface Archive {
  id: string
  owner: string
  template: string
  createdAt: string
  endedAt: string
  /** Why the session has ended. */
  reason: string
  /** The number of pushes, and when the code and the state were as they are here; without a snapshot there is neither. */
  version?: number
  snapshotAt?: string
  /** Whether the session is over: it is archived while its programs still run. */
  isOver: boolean
}

/** The index of archives by the days of their sessions' ends. */
export const ARCHIVES = 'archived'
/** The blob with the session's events, in the scope of its snapshot. */
export const EVENTS_BLOB = 'events'

/** The partition with a user's archives, by the keys of the index. */
export const archivesOf = (user: string) => `archives/${userScope(user)}`

export function newArchive ({ id, owner, template, createdAt }: SessionFacts, reason: string): Archive {
  return { id, owner, template, createdAt: createdAt.toISOString(), endedAt: new Date().toISOString(), reason, isOver: false }
}
