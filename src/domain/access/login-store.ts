import type { Login, ProviderSession } from './login.ts'

/** A login as it is kept: `id` is the beginning of its token's hash (`loginIdOf`). */
export type KeptLogin = Login & { id: string }

/** The most logins per user. */
export const MOST_LOGINS = 50

/**
 * Keeps the logins of an instance, by the hash of their tokens. It knows no time limits: a login is there until it is
 * removed. Methods may be called until `close` and take effect in the order of the calls. They reject when the backend
 * cannot read or write; then nothing has changed.
 */
export interface LoginStore {
  /**
   * Keeps a new login, last used when it was created. When its user has `MOST_LOGINS` others, this ends the one that was
   * used least recently, in the same step. Resolves with the new login's token, which only this call returns.
   */
  create (login: Login): Promise<string>
  /** The login with this token. */
  find (token: string): Promise<KeptLogin | undefined>
  /** The login with this id. Called at every request, as `find` is: one cheap read each. */
  get (id: string): Promise<KeptLogin | undefined>
  /** Notes that the login was used at `now`. Does nothing when the noted time is later, or when the login has ended. */
  seen (id: string, now: Date): Promise<void>
  /** Ends the login with this token and resolves with it. Of several calls at once, one resolves with the login and the others with undefined. */
  remove (token: string): Promise<KeptLogin | undefined>
  /**
   * Ends the logins that this session at the provider opened (`isOfSession`); without a `sid`, all logins of its person.
   * Resolves with the user of each.
   */
  removeOf (session: ProviderSession): Promise<string[]>
  /** A user's logins, the most recently used one first. */
  list (user: string): Promise<KeptLogin[]>
  /** Ends the user's login with this id. Resolves with whether there was one; another user's stays. */
  removeById (user: string, id: string): Promise<boolean>
  /** Ends all logins of a user but the one with `butToken`. Resolves with how many. */
  removeAll (user: string, butToken?: string): Promise<number>
  /** Forgets logins that were opened before the first time, or last used before the second. */
  prune (createdBefore: Date, seenBefore: Date): Promise<void>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}
