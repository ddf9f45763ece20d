import type { Client, Opener } from './login.ts'
import type { Share } from './share.ts'

/** What can let somebody in: nothing has to, an API key, a login, the provider's token, or a link. */
export const CREDENTIAL_KINDS = ['none', 'key', 'login', 'token', 'share'] as const
export type CredentialKind = typeof CREDENTIAL_KINDS[number]

/** What let somebody in, for what stays open longer than a request. */
export interface Credential {
  kind: CredentialKind
  /** Finds it again, among those of its kind. Not what is secret of it. */
  id: string
  /** The key or login that this credential depends on. When that ends, the credential and all links made with it end too. */
  opener (): Promise<Opener | undefined>
  /** It ends then in any case, and so does what is given away by it. */
  until?: Date
  /**
   * Whether it is good still: whoever is logged out, or whose key or link is not in force any more, is sent away. With
   * `from`, whether it may be shown by this client: a login may be bound to its own.
   */
  holds (from?: Client): Promise<boolean>
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
