import type { Stores } from '#stores/backend.ts'
import { linkedStores } from '#stores/linked/backend.ts'
import { connect, type RedisAddress } from './connection.ts'
import { recordsIn } from './records.ts'

/** The beginning of all keys, unless the address has a `prefix`. */
const PREFIX = 'ex10'

/** Keeps stores in a Redis or a Redis Cluster, which several servers may use. */
export function redisStores (address: RedisAddress): Stores {
  const prefix = new URL(address.url).searchParams.get('prefix') ?? PREFIX
  return linkedStores(async () => {
    const connection = await connect(address)
    return { ...recordsIn(connection, prefix), close: connection.close }
  })
}
