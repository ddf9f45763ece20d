import type { Backend } from '#stores/backend.ts'
import { storesOver } from '#stores/records/backend.ts'
import { openDatabase, type PostgresAddress } from './connection.ts'
import { recordsIn } from './records.ts'

/** Keeps stores in a PostgreSQL database, which several servers may use. */
export function postgresStores (address: PostgresAddress): Backend {
  return storesOver(async () => {
    const database = await openDatabase(address)
    return { ...recordsIn(database), close: database.close }
  })
}
