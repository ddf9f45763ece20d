import type { BlobStore } from '#domain/storage/blob-store.ts'
import { DataKeys, scopesWithKeys } from '#domain/storage/data-keys.ts'
import type { MasterKeys } from '#domain/storage/master-keys.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { scopeOf } from '#domain/storage/records.ts'
import { Ex10Error } from '#errors.ts'
import { keyFileAt } from './key-file.ts'
import { forgetKey, noteKey, sealedWith } from './sealing.ts'

/** Where the master keys are lost: no key opens anything. */
const NO_KEYS: MasterKeys = { newest () { throw new Error('there is no key') }, find: () => undefined }

/** The stores over records in PostgreSQL and Redis: nothing in them is sealed, so no key is needed to read it. */
const UNSEALED_PARTITIONS = ['keys', 'logins', 'shares', 'audit-log', 'statistics']

/** The scopes of what is sealed in the store and no key in the file opens. */
export async function lostScopes (path: string, store: RecordStore): Promise<string[]> {
  const keys = new DataKeys(store, keyFileAt(path) ?? NO_KEYS)
  const scopes = await scopesWithKeys(store)
  const isLost = await Promise.all(scopes.map(scope => keys.current(scope).then(() => false, (error: unknown) => {
    if (error instanceof Ex10Error && error.code === 'EX10_SEAL_BROKEN') return true
    throw error
  })))
  return scopes.filter((_, index) => isLost[index])
}

/**
 * Deletes the records, the blobs and the data keys of the scopes, for good. Then the store is good for the keys in the file or, without
 * a file, for a new one. No server may run.
 */
export async function abandon (scopes: readonly string[], path: string, store: RecordStore, blobs: BlobStore): Promise<void> {
  const isSealed = (partition: string) => !UNSEALED_PARTITIONS.some(name => partition.startsWith(`${name}/`))
  for (const partition of await store.partitions('')) if (isSealed(partition) && scopes.includes(scopeOf(partition))) await store.drop(partition)
  for (const scope of await blobs.scopes()) if (scopes.includes(scope)) await blobs.drop(scope)
  const file = keyFileAt(path)
  const wanted = await sealedWith(store)
  if (wanted === undefined || file?.find(wanted)) return
  if (file) await noteKey(file, store)
  else await forgetKey(store)
}
