import type { Backend } from '#stores/backend.ts'
import { storesOver } from '#stores/records/backend.ts'
import { openRecords } from './records.ts'

/** Keeps stores in memory, empty at first. They end with the process. */
export function memoryStores (): Backend {
  return storesOver(openRecords)
}
