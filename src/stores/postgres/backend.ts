import type { Stores } from '#stores/backend.ts'
import { linkedStores } from '#stores/linked/backend.ts'
import { openDatabase, type PostgresAddress } from './connection.ts'
import { recordsIn } from './records.ts'

/** Keeps stores in a PostgreSQL database, which several servers may use. */
export function postgresStores (address: PostgresAddress): Stores {
  return linkedStores(async () => {
    const database = await openDatabase(address)
    return { ...recordsIn(database), close: database.close }
  })
}
