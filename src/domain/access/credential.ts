import type { Client, Opener } from './login.ts'
import type { Share } from './share.ts'

/** The kinds of credentials. `none`: no authentication; `token`: an access token of the provider; `share`: a link. */
export const CREDENTIAL_KINDS = ['none', 'key', 'login', 'token', 'share'] as const
export type CredentialKind = typeof CREDENTIAL_KINDS[number]

/** The proof that a request was allowed, which connections and pages check again after the request. */
export interface Credential {
  kind: CredentialKind
  /** Identifies the credential among those of its kind. Holds nothing secret. */
  id: string
  /** The key or login that this credential depends on. When that ends, the credential and all links made with it end too. */
  opener (): Promise<Opener | undefined>
  /** The latest end of the credential and of the links made with it. */
  until?: Date
  /**
   * Whether the credential still holds: its login is open, or its key or link in force. With `from`, also whether this
   * client may use it: a login may be bound to its own client.
   */
  holds (from?: Client): Promise<boolean>
  /** Notes a use, so that a login does not become idle. */
  used? (): void
}

/** A person who opens a display: a user, or the holder of a link. */
export interface Visitor {
  /** The client's address. */
  address: string
  user?: string
  share?: Share
  credential: Credential
}
