import type { ProviderSession } from './login.ts'
import type { NewShare, Share } from './share.ts'

/** The limit of links of a session. */
export interface ShareLimit {
  most: number
  /** Ids of links that do not count, because their openers have ended. */
  uncounted?: readonly string[]
}

/**
 * Keeps the links to an instance's sessions, by the hash of their tokens. A link is in force until it expires or is
 * removed; an expired one counts as gone. Methods may be called until `close` and take effect in the order of the calls.
 * They reject when the backend cannot read or write; then nothing has changed.
 */
export interface ShareStore {
  /**
   * Makes a link, unless its session has `most` in force already: then it resolves with undefined. Counting and making are
   * one step. Only this call returns `token`. Forgets the session's expired links.
   */
  create (share: NewShare, limit: ShareLimit, now?: Date): Promise<{ share: Share, token: string } | undefined>
  /** The link with this token, if it is in force. */
  find (token: string, now?: Date): Promise<Share | undefined>
  /** The link with this id, if it is in force. Called again and again while a viewer by it is connected: one cheap read. */
  get (id: string, now?: Date): Promise<Share | undefined>
  /** A session's links that are in force, oldest first. */
  list (sessionId: string, now?: Date): Promise<Share[]>
  /** Removes a link of the session: once this resolves, no reader finds it. Resolves with whether there was one; of several calls at once, one resolves with true. */
  remove (sessionId: string, id: string): Promise<boolean>
  /**
   * Removes the links made by logins that this session at the provider opened (`isOfSession`); without a `sid`, by all
   * logins of its person. Resolves with their ids.
   */
  removeOf (session: ProviderSession): Promise<string[]>
  /** Removes the links that the user made, except those made with an API key or by a login with one. Resolves with their ids. */
  removeBy (user: string): Promise<string[]>
  /** Removes all links of a session, the expired ones too. */
  forget (sessionId: string): Promise<void>
  /** The ids of the sessions that have links, including expired ones. */
  sessionIds (): Promise<string[]>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}
