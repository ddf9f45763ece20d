import type { Share } from './share.ts'

/** Who opens a display: somebody who is known, or who has a link. */
export interface Visitor {
  user?: string
  share?: Share
  /** Whether they may still: whoever is logged out, or whose key or link is not in force any more, is sent away. */
  holds (): boolean
}
