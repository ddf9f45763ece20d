import type { RecordChange, RecordRange, RecordStore, StoredRecord } from './record-store.ts'
import type { Sealer } from './sealer.ts'

/** A record's value, with its key and revision (`StoredRecord`). */
export interface Found<Value> { key: string, value: Value, revision: number }

/** One change (`RecordChange`): a new value, or, with undefined, the record's deletion. */
export type Change = Omit<RecordChange, 'value'> & { value?: unknown }

/**
 * JSON values in a `RecordStore`, sealed. The scope of a partition's seal is its second word: `state/<session>` is sealed
 * with the session's data key. A write that expects a revision binds its value to the next one: an older value in its place
 * is refused. The methods are those of `RecordStore`, with its other promises; reading rejects with EX10_SEAL_BROKEN where a
 * value is not what was written. Values are written by this server alone, so they are read without a further check. Calls at
 * the same time may take effect in any order: writers that depend on what they read expect its revision.
 */
export class Records {
  readonly #store: RecordStore
  readonly #sealer: Sealer

  constructor (store: RecordStore, sealer: Sealer) {
    this.#store = store
    this.#sealer = sealer
  }

  async get<Value> (partition: string, key: string): Promise<Found<Value> | undefined> {
    const found = await this.#store.get(partition, key)
    return found && { ...found, value: await this.#open<Value>(partition, found) }
  }

  async list<Value> (partition: string, range?: RecordRange): Promise<Found<Value>[]> {
    const found = await this.#store.list(partition, range)
    return await Promise.all(found.map(async record => ({ ...record, value: await this.#open<Value>(partition, record) })))
  }

  /** The keys of records, without their values: also of those that cannot be opened any more. */
  async keys (partition: string, range?: RecordRange): Promise<string[]> {
    return (await this.#store.list(partition, range)).map(({ key }) => key)
  }

  async write (partition: string, changes: Change[]): Promise<boolean> {
    return await this.#store.write(partition, await this.#sealed(partition, changes))
  }

  async writeEach (changes: Iterable<readonly [partition: string, changes: Change[]]>): Promise<void> {
    await this.#store.writeEach(await Promise.all([...changes].map(async ([partition, changes]) => [partition, await this.#sealed(partition, changes)] as const)))
  }

  drop (partition: string): Promise<void> {
    return this.#store.drop(partition)
  }

  partitions (prefix: string): Promise<string[]> {
    return this.#store.partitions(prefix)
  }

  async #open<Value> (partition: string, { key, value, revision }: StoredRecord): Promise<Value> {
    const plain = await this.#sealer.open(scopeOf(partition), `${partition} ${key}`, value, revision)
    return JSON.parse(plain.toString()) as Value
  }

  async #sealed (partition: string, changes: Change[]): Promise<RecordChange[]> {
    return await Promise.all(changes.map(async ({ value, ...change }) => {
      if (value === undefined) return change
      const revision = change.ifRevision === undefined ? undefined : change.ifRevision + 1
      return { ...change, value: await this.#sealer.seal(scopeOf(partition), `${partition} ${change.key}`, Buffer.from(JSON.stringify(value)), revision) }
    }))
  }
}

/** The scope of a partition's seal. */
export function scopeOf (partition: string): string {
  const [, scope] = partition.split('/')
  if (!scope) throw new Error(`the partition ${partition} has no second word`)
  return scope
}
