import type { Readable } from 'node:stream'

/**
 * Keeps blobs of any size, in scopes such as a session's id. A blob is written once and never changed. Scopes and ids match
 * `BLOB_NAME`. Methods may be called at the same time; they reject when the backend cannot read or write.
 */
export interface BlobStore {
  /**
   * Keeps the content; once this resolves, it is there for the next server. Does nothing when there is a blob with
   * this id. A failed or aborted write leaves nothing. Resolves with the number of bytes; errors of the content are thrown.
   */
  put (scope: string, id: string, content: AsyncIterable<Uint8Array> | Uint8Array, signal?: AbortSignal): Promise<number>
  /** The blob's content, which the caller must read to its end or destroy; undefined when there is no such blob. */
  get (scope: string, id: string): Promise<Readable | undefined>
  /** The blobs of a scope, in any order. */
  list (scope: string): Promise<{ id: string, bytes: number }[]>
  /** Does nothing when there is no such blob. */
  delete (scope: string, id: string): Promise<void>
  /** Deletes all blobs of the scope. */
  drop (scope: string): Promise<void>
  /** All scopes that hold a blob: for audits. */
  scopes (): Promise<string[]>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}

/** The names that scopes and blobs may have. */
export const BLOB_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/

/** Returns the name as it is. @throws {Error} when no scope and no blob may have it */
export function nameOfBlob (name: string): string {
  if (!BLOB_NAME.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a blob`)
  return name
}
