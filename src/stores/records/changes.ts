import type { RecordRange } from '#domain/storage/record-store.ts'
import type { Found, Records } from '#domain/storage/records.ts'

const PAGE = 1000

/** All records of the range, page by page. */
export async function * pages<Value> (records: Records, partition: string, range: RecordRange): AsyncGenerator<Found<Value>[], void, undefined> {
  for (let after = range.after; ;) {
    const page = await records.list<Value>(partition, { ...range, after, limit: PAGE })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    after = page.at(-1)!.key
  }
}

/** Replaces the value of the record that `find` finds, and that at the keys of its `copies`; again when another server has changed it meanwhile. `changed` returns undefined to leave it. Resolves with its value. */
export async function change<Value> (records: Records, partition: string, find: () => Promise<Found<Value> | undefined>, changed: (value: Value) => Value | undefined, copies: (found: Found<Value>) => string[] = () => []): Promise<Value | undefined> {
  for (;;) {
    const found = await find()
    const value = found && changed(found.value)
    if (!found || value === undefined) return found?.value
    if (await records.write(partition, [{ key: found.key, value, ifRevision: found.revision }, ...copies(found).map(key => ({ key, value }))])) return value
  }
}

/** Deletes the records that `find` finds, with their `copies`; again when another server has changed one meanwhile. Resolves with what it deleted. */
export async function remove<Value> (records: Records, partition: string, find: () => Promise<Found<Value>[]>, copies: (found: Found<Value>) => string[] = () => []): Promise<Found<Value>[]> {
  for (;;) {
    const found = await find()
    const changes = found.flatMap(one => [{ key: one.key, ifRevision: one.revision }, ...copies(one).map(key => ({ key }))])
    if (changes.length === 0 || await records.write(partition, changes)) return found
  }
}
