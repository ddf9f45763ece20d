import { createHash } from 'node:crypto'

/** What is done to sessions and to who may have them. */
export const AUDITED_ACTIONS = [
  'session.created', 'session.viewed', 'session.pushed', 'session.end', 'session.ended', 'session.failed', 'user.end-sessions', 'key.created', 'key.revoked', 'share.created', 'share.revoked', 'login', 'logout', 'user.end-logins'
] as const
export type AuditedAction = typeof AUDITED_ACTIONS[number]

/** What is noted only if the session is somebody else's: that a user looks at their own session is their own business. */
export const NOTED_OF_OTHERS: readonly AuditedAction[] = ['session.viewed', 'session.pushed']

/** Who did what, to what. */
export interface AuditedDeed {
  /** Who; `server` for what it does by itself, `terminal` for commands of root's. */
  user: string
  /** Where they asked from, if they did. */
  address?: string
  /** Unless a proxy spoke for them, or an earlier version wrote the entry. */
  port?: number
  action: AuditedAction
  /** The id of the session or of the key, or the user, that it was done to. */
  target?: string
  details?: Record<string, string | number | boolean>
}

/** What comes before the first entry. */
export const FIRST_LINK = '0'.repeat(64)

/** The hash of an entry: it vouches for the entry's text, for its place and, through `previous`, for all that come before it. */
export function linkOf (previous: string, seq: number, text: string): string {
  return createHash('sha256').update(`${previous}\n${seq}\n${text}`).digest('hex')
}
