import { failure } from '#errors.ts'
import { keyIdOf, keyOf, newKey, openValue, sealValue, type Key } from './envelope.ts'
import type { MasterKeys } from './master-keys.ts'
import type { RecordStore } from './record-store.ts'

interface Known { key: Promise<Key>, at: number }

const PARTITIONS = 'data-keys/'
const RECORD = 'key'
const MOST_KNOWN = 1000
/** How long a server seals with a key that another one may have forgotten. */
const TRUST_MS = 10_000

/** The data key of each scope: a record, wrapped with a master key. The last used ones are kept in memory. */
export class DataKeys {
  readonly #store: RecordStore
  readonly #masters: MasterKeys
  readonly #now: () => number
  readonly #known = new Map<string, Known>()

  /** `now` is in ms, of a clock that only goes forward. */
  constructor (store: RecordStore, masters: MasterKeys, now = () => performance.now()) {
    this.#store = store
    this.#masters = masters
    this.#now = now
  }

  /** The scope's key, for sealing; made if there is none. @throws {Ex10Error} EX10_SEAL_BROKEN when it cannot be unwrapped */
  async current (scope: string): Promise<Key> {
    const known = this.#known.get(scope)
    if (known && this.#now() - known.at < TRUST_MS) return await this.#use(scope, known)
    return await this.#use(scope, { key: this.#readOrMake(scope, known), at: this.#now() })
  }

  /** The scope's key, if it has this id. */
  async find (scope: string, id: string): Promise<Key | undefined> {
    const known = this.#known.get(scope)
    if (known && (await known.key).id === id) return await this.#use(scope, known)
    const found = await this.#read(scope)
    if (found) this.#use(scope, { key: Promise.resolve(found), at: this.#now() })
    return found?.id === id ? found : undefined
  }

  async forget (scope: string): Promise<void> {
    await this.#known.get(scope)?.key.catch(() => {}) // a key that is being made
    this.#known.delete(scope)
    await this.#store.drop(PARTITIONS + scope)
  }

  async scopes (): Promise<string[]> {
    return await scopesWithKeys(this.#store)
  }

  /** Without an answer of the store, the known key goes on: what is sealed with it waits to be written. */
  async #readOrMake (scope: string, known?: Known): Promise<Key> {
    const found = await (known ? this.#read(scope).catch(() => known.key) : this.#read(scope))
    return found ?? await this.#make(scope)
  }

  async #read (scope: string): Promise<Key | undefined> {
    const record = await this.#store.get(PARTITIONS + scope, RECORD)
    return record && await unwrap(this.#masters, scope, record.value)
  }

  /** Ends with the key of the server that was first. */
  async #make (scope: string): Promise<Key> {
    const [key, master] = [newKey(), this.#masters.newest()]
    const isFirst = await this.#store.write(PARTITIONS + scope, [{ key: RECORD, value: wrap(master, scope, key), ifRevision: 0 }])
    if (!isFirst) return await this.#readOrMake(scope)
    // a rotation that began before this write may have looked for old keys already
    if (this.#masters.newest().id !== master.id) await rewrap(this.#store, this.#masters, scope)
    return key
  }

  /** Puts the key behind the others: the first one is dropped next. */
  #use (scope: string, known: Known): Promise<Key> {
    this.#known.delete(scope)
    this.#known.set(scope, known)
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!)
    known.key.catch(() => { if (this.#known.get(scope) === known) this.#known.delete(scope) })
    return known.key
  }
}

/** All scopes that have a data key. */
export async function scopesWithKeys (store: RecordStore): Promise<string[]> {
  return (await store.partitions(PARTITIONS)).map(partition => partition.slice(PARTITIONS.length))
}

/** The id of the master key that wraps one of the data keys; undefined when there is no data key. */
export async function masterOfAny (store: RecordStore): Promise<string | undefined> {
  const [partition] = await store.partitions(PARTITIONS)
  const record = partition === undefined ? undefined : await store.get(partition, RECORD)
  return record && keyIdOf(record.value)
}

/** Wraps the scope's data key with the newest master key. Returns whether it was wrapped with another. @throws {Ex10Error} EX10_SEAL_BROKEN when it cannot be unwrapped */
export async function rewrap (store: RecordStore, masters: MasterKeys, scope: string): Promise<boolean> {
  for (;;) {
    const record = await store.get(PARTITIONS + scope, RECORD)
    const master = masters.newest()
    if (!record || keyIdOf(record.value) === master.id) return false
    const value = wrap(master, scope, await unwrap(masters, scope, record.value))
    if (await store.write(PARTITIONS + scope, [{ key: RECORD, value, ifRevision: record.revision }])) return true
  }
}

function wrap (master: Key, scope: string, key: Key): Buffer {
  return sealValue(master, labelOf(scope), key.bytes)
}

async function unwrap (masters: MasterKeys, scope: string, wrapped: Buffer): Promise<Key> {
  const bytes = await openValue(async id => masters.find(id), labelOf(scope), wrapped)
  if (bytes.length !== 32) throw failure('SEAL_BROKEN')
  return keyOf(bytes)
}

function labelOf (scope: string) {
  return { scope, id: 'data key' }
}
