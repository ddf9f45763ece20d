import type { BlobStore } from '#domain/storage/blob-store.ts'
import type { Backend, Copies } from './backend.ts'
import { folderBlobs } from './folder/blobs.ts'
import { sqliteStores, type StoreFiles } from './sqlite/backend.ts'
import { sqliteCopies } from './sqlite/copy.ts'

/**
 * The stores of an instance, in the backend that EX10_STORE names. The registry is not among them: the records of this
 * machine's sessions stay in SQLite on this machine, with every backend.
 */
export function storesOf ({ store }: { store: keyof typeof BACKENDS }, files: StoreFiles): Backend {
  return BACKENDS[store](files)
}

/** Opens the blobs of an instance, where EX10_BLOBS says. @throws {StartRefused} when the bucket cannot be used */
export async function openBlobs ({ blobs, blobsEndpoint, blobsRegion }: { blobs: string, blobsEndpoint: string, blobsRegion: string }, folder: { blobs: string }): Promise<BlobStore> {
  if (!blobs) return await folderBlobs(folder.blobs)
  const { bucketAt, bucketBlobs } = await import('./s3/blobs.ts') // the SDK costs memory, which only servers with a bucket need
  return await bucketBlobs(bucketAt(blobs, blobsEndpoint, blobsRegion))
}

/** The way in which a backup copies the stores of this backend. */
export function copiesOf ({ store }: { store: keyof typeof COPIES }): Copies {
  return COPIES[store]
}

const BACKENDS = { sqlite: sqliteStores }
const COPIES = { sqlite: sqliteCopies }
