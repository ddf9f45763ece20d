import type { Backend } from './backend.ts'
import { sqliteStores, type StoreFiles } from './sqlite/backend.ts'

/**
 * The stores of an instance, in the backend that EX10_STORE names. The registry is not among them: the records of this
 * machine's sessions stay in SQLite on this machine, with every backend.
 */
export function storesOf ({ store }: { store: keyof typeof BACKENDS }, files: StoreFiles): Backend {
  return BACKENDS[store](files)
}

const BACKENDS = { sqlite: sqliteStores }
