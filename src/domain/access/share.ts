import type { Opener } from './login.ts'

/** What the holder of a link may do with the session: look at it, or use it as its owner's page does. */
export const SHARE_MODES = ['view', 'control'] as const
export type ShareMode = typeof SHARE_MODES[number]

/** What a new link is to be. */
export interface NewShare {
  sessionId: string
  mode: ShareMode
  /** The user who gives it away. */
  createdBy: string
  expiresAt: Date
  /** What let them in, and what it ends with; nothing where nobody has to say who they are. */
  opener?: Opener | undefined
}

/** A link to a session, good for whoever has it; as it is kept, without the token that the link holds. */
export interface Share extends NewShare {
  id: string
  createdAt: Date
}

/** Links of one session that are in force at a time. */
export const MAX_SHARES = 20
