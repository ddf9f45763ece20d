import { createHash } from 'node:crypto'

/** The actions on sessions, keys, links, logins and stores that the audit log records. */
export const AUDITED_ACTIONS = [
  'session.created', 'session.viewed', 'session.pushed', 'session.state-changed', 'session.restarted', 'session.end', 'session.ended', 'session.failed', 'user.end-sessions', 'key.created', 'key.revoked', 'share.created', 'share.revoked', 'login', 'logout', 'user.end-logins', 'server.drain', 'server.drain-cancelled', 'backup.restored', 'server.keys-rotated', 'server.sealed-abandoned', 'audit-log.erased', 'user.erased', 'archive.deleted'
] as const
export type AuditedAction = typeof AUDITED_ACTIONS[number]

/** Actions that are noted only for sessions of other users: uses of a user's own session stay private. */
export const NOTED_OF_OTHERS: readonly AuditedAction[] = ['session.viewed', 'session.pushed', 'session.state-changed', 'session.restarted']

/** One action, with its user and its target. */
export interface AuditedDeed {
  /** The user; `server` for the server's own actions, `terminal` for root's commands, `provider` for the OpenID Connect provider. */
  user: string
  /** The client's address, if there was a request. */
  address?: string
  /** The client's port; absent behind a proxy, and in entries of earlier versions. */
  port?: number
  action: AuditedAction
  /** The target of the action: the id of a session, key or login, or a user. */
  target?: string
  details?: Record<string, string | number | boolean>
}

/** The hash that stands before the first entry. */
export const FIRST_LINK = '0'.repeat(64)

/** The hash of an entry. It covers the entry's text, its number and, through `previous`, all entries before it. */
export function linkOf (previous: string, seq: number, text: string): string {
  return createHash('sha256').update(`${previous}\n${seq}\n${text}`).digest('hex')
}
