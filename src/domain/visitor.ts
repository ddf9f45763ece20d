import type { Share } from './share.ts'

/** What let somebody in, for what stays open longer than a request. */
export interface Credential {
  /** Whether it is good still: whoever is logged out, or whose key or link is not in force any more, is sent away. */
  holds (): boolean
  /** They do something: a login is not idle. */
  used? (): void
}

/** Who opens a display: somebody who is known, or who has a link. */
export interface Visitor {
  /** Where from. */
  address: string
  user?: string
  share?: Share
  credential: Credential
}
