import type { BlobStore } from '#domain/storage/blob-store.ts'
import type { Copies, Stores } from './backend.ts'
import { folderBlobs } from './folder/blobs.ts'
import { memoryStores } from './memory/backend.ts'
import { openRecords as openPassingRecords } from './memory/records.ts'
import { sqliteStores, type StoreFiles } from './sqlite/backend.ts'
import { sqliteCopies } from './sqlite/copy.ts'

/** The value of EX10_STORE, and the password of the store's server if that is not in it. */
export interface StoreSettings { store: string, password?: string | undefined }

/**
 * The stores of an instance, in the backend that EX10_STORE names. The registry is not among them: the records of this
 * machine's sessions stay in SQLite on this machine, with every backend. Loads the client of that backend's server only: it
 * costs time and memory.
 */
export async function storesOf ({ store, password }: StoreSettings, files: StoreFiles): Promise<Stores> {
  switch (backendOf(store)) {
    case 'memory': return memoryStores()
    case 'postgres': return (await import('./postgres/backend.ts')).postgresStores({ url: store, password })
    case 'redis': return (await import('./redis/backend.ts')).redisStores({ url: store, password })
    case 'sqlite': return sqliteStores(files)
  }
}

/** Opens records that are in memory only, with every backend. */
export { openPassingRecords }

/** Whether several servers may have these stores. */
export function isShared (store: string): boolean {
  return ['postgres', 'redis'].includes(backendOf(store))
}

/** Opens the blobs of an instance, where EX10_BLOBS says. @throws {StartRefused} when the bucket cannot be used */
export async function openBlobs ({ blobs, blobsEndpoint, blobsRegion }: { blobs: string, blobsEndpoint: string, blobsRegion: string }, folder: { blobs: string }): Promise<BlobStore> {
  if (!blobs) return await folderBlobs(folder.blobs)
  const { bucketAt, bucketBlobs } = await import('./s3/blobs.ts') // see storesOf
  return await bucketBlobs(bucketAt(blobs, blobsEndpoint, blobsRegion))
}

/** The way in which a backup copies the stores of this backend; undefined where they are not in the data folder. */
export function copiesOf (store: string): Copies | undefined {
  return backendOf(store) === 'sqlite' ? sqliteCopies : undefined
}

/** The backend's name: the word before the colon of EX10_STORE, in one spelling. */
export function backendOf (store: string): 'memory' | 'sqlite' | 'postgres' | 'redis' {
  const [word = ''] = store.split(':')
  if (word === 'memory' || word === 'sqlite') return word
  return word.startsWith('postgres') ? 'postgres' : 'redis'
}
