import type { Opener } from './login.ts'

/** The rights that a link gives to its holder: to view the session, or to use it as its owner's page does. */
export const SHARE_MODES = ['view', 'control'] as const
export type ShareMode = typeof SHARE_MODES[number]

/** The properties of a link to be made. */
export interface NewShare {
  sessionId: string
  mode: ShareMode
  /** The user who makes the link. */
  createdBy: string
  expiresAt: Date
  /** The key or provider session of that user, with which the link ends; absent with EX10_AUTH=none. */
  opener?: Opener | undefined
}

/** A link to a session, as it is kept: without its token. Everybody with the link may use it. */
export interface Share extends NewShare {
  id: string
  createdAt: Date
}

/** The most links of one session that are in force at a time. */
export const MAX_SHARES = 20
