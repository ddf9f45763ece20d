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

/** Opens the blobs of an instance. */
export async function openBlobs (folder: { blobs: string }): Promise<BlobStore> {
  return await folderBlobs(folder.blobs)
}

/** The way in which a backup copies the stores of this backend. */
export function copiesOf ({ store }: { store: keyof typeof COPIES }): Copies {
  return COPIES[store]
}

const BACKENDS = { sqlite: sqliteStores }
const COPIES = { sqlite: sqliteCopies }
