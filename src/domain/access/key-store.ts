import type { ApiKey, NewKey } from './api-key.ts'

/**
 * Keeps the API keys of an instance. The server and a terminal command may have it open at the same time: a change of one
 * is visible to the other as soon as its promise has resolved. Methods may be called until `close` and take effect in the order of the calls. They
 * reject when the backend cannot read or write; then nothing has changed.
 */
export interface KeyStore {
  /**
   * Makes a key that is in force at once. The user sends `secret`, which only this call returns; the store keeps its hash.
   * Rejects when there was a key with a given `secret`, also a revoked one.
   */
  create (key: NewKey, now?: Date, secret?: string): Promise<{ key: ApiKey, secret: string }>
  /** All keys, oldest first, including revoked and expired ones. */
  list (): Promise<ApiKey[]>
  /**
   * Revokes a key for good: once this resolves, no reader finds it in force. Revoking it again changes nothing. Resolves
   * with the key, or with undefined where no key has this id.
   */
  revoke (id: string, now?: Date): Promise<ApiKey | undefined>
  /** Forgets the key as if it had never been made. Does nothing where no key has this id. */
  remove (id: string): Promise<void>
  /**
   * The key with this secret if it is in force at `now`, else undefined. Notes the use, to the minute. When that write fails,
   * calls the function that the store was opened with, and returns the key all the same.
   */
  find (secret: string, now?: Date): Promise<ApiKey | undefined>
  /** Whether the key with this id is in force at `now`; false when there is none. Called at every request: one cheap read. */
  isInForce (id: string, now?: Date): Promise<boolean>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}
