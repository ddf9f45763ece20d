import { randomBytes } from 'node:crypto'
import type { Change, Records } from './records.ts'

/** An entry of a `DayIndex`: a session that ended, its user, unless that was erased, and a value. */
export interface Dated<Value> { day: string, key: string, value: Value }

/** Where the entry of a session is. */
interface Place { day: string, key: string, owner: string }

/** The names of partitions that are no day. */
const [DAYS, PLACES] = ['days', 'places']
/** So many are read before other work of the server has its turn. */
const AT_ONCE = 500

/**
 * Records by the time of a session's end: in a partition for each day (UTC, `2026-01-31`), so that old ones are found
 * without a look at the others. A session has one entry at most.
 */
export class DayIndex<Value> {
  readonly #records: Records
  readonly #name: string

  /** `name` is the first word of the partitions. */
  constructor (records: Records, name: string) {
    this.#records = records
    this.#name = name
  }

  /** The changes that add an entry, for `Records.writeEach`. */
  adding ({ id, owner, at, value }: { id: string, owner: string, at: string, value: Value }): [partition: string, changes: Change[]][] {
    const place: Place = { day: at.slice(0, 10), key: `${at} ${id}`, owner }
    return [
      [this.#partition(place.day), [{ key: place.key, value }]],
      [this.#partition(PLACES), [{ key: id, value: place }]],
      [this.#partition(DAYS), [{ key: place.day, value: {} }]]
    ]
  }

  /** Oldest first. */
  async days (): Promise<string[]> {
    return (await this.#records.list(this.#partition(DAYS))).map(({ key }) => key)
  }

  /** The entries of a day, in the order of their times. They may be removed meanwhile. */
  async * of (day: string, { newestFirst = false, after }: { newestFirst?: boolean, after?: string | undefined } = {}): AsyncGenerator<Dated<Value>, void, undefined> {
    for (;;) {
      const page = await this.#records.list<Value>(this.#partition(day), { limit: AT_ONCE, after, newestFirst })
      for (const { key, value } of page) yield { day, key, value }
      if (page.length < AT_ONCE) return
      after = page.at(-1)?.key
    }
  }

  /** The owner of the session's entry; undefined when there is none. */
  async ownerOf (id: string): Promise<string | undefined> {
    return (await this.#place(id))?.owner
  }

  async find (id: string): Promise<Dated<Value> | undefined> {
    const place = await this.#place(id)
    const found = place && await this.#records.get<Value>(this.#partition(place.day), place.key)
    return found && { day: place.day, key: place.key, value: found.value }
  }

  async remove (id: string): Promise<void> {
    const place = await this.#place(id)
    if (!place) return
    await this.#records.write(this.#partition(place.day), [{ key: place.key }])
    await this.#records.write(this.#partition(PLACES), [{ key: id }])
  }

  /** The sessions of this owner. It looks through all places: for erasures. */
  async idsOf (owner: string): Promise<string[]> {
    return (await this.#records.list<Place>(this.#partition(PLACES))).filter(({ value }) => value.owner === owner).map(({ key }) => key)
  }

  /** Keeps the session's entry, with another value, under another id, so that nobody finds it by the session or its user. */
  async disown (id: string, value: Value): Promise<void> {
    const place = await this.#place(id)
    if (!place) return
    await this.#records.write(this.#partition(place.day), [{ key: place.key }, { key: `${place.key.split(' ')[0]} ${randomBytes(16).toString('hex')}`, value }])
    await this.#records.write(this.#partition(PLACES), [{ key: id }])
  }

  /** Removes entries without a session. */
  async removeKeys (day: string, keys: string[]): Promise<void> {
    if (keys.length > 0) await this.#records.write(this.#partition(day), keys.map(key => ({ key })))
  }

  /** Moves the entries of a day to another time. */
  async redate (day: string, at: string): Promise<void> {
    for await (const { key, value } of this.of(day)) {
      const { id } = readKey(key)
      const owner = await this.ownerOf(id)
      const to: Place = { day: at.slice(0, 10), key: `${at} ${id}`, owner: owner ?? '' }
      await this.#records.writeEach([
        [this.#partition(to.day), [{ key: to.key, value }]],
        [this.#partition(DAYS), [{ key: to.day, value: {} }]],
        ...(owner === undefined ? [] : [[this.#partition(PLACES), [{ key: id, value: to }]] satisfies [string, Change[]]])
      ])
      await this.removeKeys(day, [key])
    }
    await this.closeDay(day)
  }

  /** Takes the day out of `days` when it has no entry. */
  async closeDay (day: string): Promise<void> {
    const [first] = await this.#records.list(this.#partition(day), { limit: 1 })
    if (!first) await this.#records.write(this.#partition(DAYS), [{ key: day }])
  }

  async #place (id: string): Promise<Place | undefined> {
    return (await this.#records.get<Place>(this.#partition(PLACES), id))?.value
  }

  #partition (word: string): string {
    return `${this.#name}/${word}`
  }
}

/** The session's id and the time in the key of an entry. An erased one has an id that is no session's. */
export function readKey (key: string): { at: string, id: string } {
  const [at = '', id = ''] = key.split(' ')
  return { at, id }
}
