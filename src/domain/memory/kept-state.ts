import { randomBytes } from 'node:crypto'
import { Turns } from '#domain/concurrency/turns.ts'
import { failure } from '#errors.ts'
import type { Change, Found, Records } from '#domain/storage/records.ts'
import { EMPTY_TAG, HISTORY_BYTES, partsOf, type Author, type Standing, type StateLimits, type StatePath, type StateVersion, type Texts, type ValueChange } from './state.ts'

/** Counts what the partition holds. Each change expects the revision that it has read. */
interface Head {
  /** Distinguishes the tags of this state from those of an earlier one in the same place. */
  epoch: string
  version: number
  bytes: number
  /** Each category that has values: the version of its last change, and their number. */
  categories: Record<string, { version: number, values: number }>
  /** The first version that is kept, and the bytes of all kept ones. */
  oldest: number
  historyBytes: number
}

interface Value { text: string, tag: string, at: string }

/** A kept version, with the size of the values that it replaced. Small ones are in `old`, others in records of their own. */
interface Kept extends StateVersion { bytes: number, old?: Record<string, string> }

/** The values at an address, and its tag. */
export interface Reading extends Standing { texts: Texts, at?: string | undefined }

/** One change to make. `next` gets the values below `path`, and returns those that should be there; it may be called again when another writer was faster. */
export interface Wish {
  path: StatePath
  author: Author
  next (now: Texts): Texts | Promise<Texts>
  /** Throws when the change is not to be made. */
  check (standing: Standing): void | Promise<void>
  restored?: number
  /** The version of a state that begins. */
  from?: number
}

/** A change that was made, or, with `changes` empty, was not needed. */
export interface Outcome { version: number, at: string, tag: string | undefined, wasThere: boolean, changes: ValueChange[] }

export interface VersionsQuery { category?: string | undefined, limit: number, before?: number | undefined }

const ATTEMPTS = 20
/** What a change costs beside the replaced value. */
const CHANGE_BYTES = 300
/** The most bytes of replaced values in a version's record: each record more makes a change slower. */
const SMALL_BYTES = 8192

/** JSON values in a partition, with versions. Each change is one write, which expects that nobody else has written since it was read. */
export class KeptState {
  readonly #records: Records
  readonly #limits: StateLimits
  readonly #turns = new Turns()

  constructor (records: Records, limits: StateLimits) {
    this.#records = records
    this.#limits = limits
  }

  async read (partition: string, path: StatePath = {}): Promise<Reading> {
    const head = path.key === undefined ? await this.#head(partition) : undefined // before the values: a tag may be older than what it is sent with, never newer
    return readingOf(path, head?.value, await this.#below(partition, path))
  }

  /** The tag and version of all of it, without its values. */
  async standing (partition: string): Promise<{ tag: string, version: number }> {
    const head = (await this.#head(partition))?.value
    return { tag: tagAt(head), version: head?.version ?? 0 }
  }

  /** @throws {Ex10Error} EX10_STATE_TOO_LARGE, EX10_BUSY, and the errors of `next` and `check` */
  change (partition: string, wish: Wish): Promise<Outcome> {
    return this.#turns.write([partition], () => this.#change(partition, wish))
  }

  /**
   * Goes back to what the values at `path` were at this version.
   * @throws {Ex10Error} EX10_STATE_VERSION_NOT_FOUND, and the errors of `change`
   */
  rewind (partition: string, version: number, wish: Omit<Wish, 'next' | 'restored'>): Promise<Outcome> {
    return this.change(partition, { ...wish, restored: version, next: now => this.#asAt(partition, version, now, wish.path.category) })
  }

  /** The kept versions before `before`, newest first; with a category, those that changed it. */
  async versions (partition: string, { category, limit, before }: VersionsQuery): Promise<StateVersion[]> {
    const found = await this.#records.list<Kept>(partition, { prefix: 'version/', newestFirst: true, after: before === undefined ? undefined : versionKey(before), limit: category === undefined ? limit : undefined })
    const versions = found.map(({ value: { bytes, old, ...version } }) => version)
    return versions.filter(({ changes }) => category === undefined || changes.some(change => change.category === category)).slice(0, limit)
  }

  forget (partition: string): Promise<void> {
    return this.#turns.write([partition], () => this.#records.drop(partition))
  }

  async #change (partition: string, wish: Wish): Promise<Outcome> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const outcome = await this.#attempt(partition, wish)
      if (outcome) return outcome
    }
    throw failure('BUSY', { message: 'Too many writers change the state at the same time: try again' })
  }

  /** Resolves with undefined when somebody else was faster. */
  async #attempt (partition: string, { path, author: by, next, check, restored, from = 0 }: Wish): Promise<Outcome | undefined> {
    const found = await this.#head(partition)
    const head = found?.value ?? { epoch: randomBytes(4).toString('hex'), version: from, bytes: 0, categories: {}, oldest: from + 1, historyBytes: 0 }
    const was = await this.#below(partition, path)
    const { texts, ...standing } = readingOf(path, found?.value, was)
    await check(standing)
    const wanted = await next(texts)
    const at = new Date().toISOString()
    const version = head.version + 1
    const tag = `${head.epoch}-${version}`
    const changes = differences(texts, wanted)
    if (changes.length === 0) return { version: head.version, at, tag: standing.tag, wasThere: standing.exists, changes }

    const revisions = new Map(was.map(({ key, revision }) => [key, revision]))
    const values = changes.map(({ category, key: name }): Change => {
      const key = `value/${category}/${name}`
      const text = wanted.get(`${category}/${name}`)
      return { key, ifRevision: revisions.get(key) ?? 0, ...(text !== undefined && { value: { text, tag, at } satisfies Value }) }
    })
    const after = { ...head, version, bytes: head.bytes + sizeOf(wanted) - sizeOf(texts), categories: countedIn(head, changes, version) }
    const count = Object.values(after.categories).reduce((sum, { values }) => sum + values, 0)
    const isGrowing = after.bytes > head.bytes || changes.some(({ action }) => action === 'added')
    if (isGrowing && (after.bytes > this.#limits.bytes || count > this.#limits.values)) throw failure('STATE_TOO_LARGE')
    const history = await this.#history(partition, after, { version, at, by, ...(restored !== undefined && { restored }), changes }, texts)
    if (!await this.#records.write(partition, [{ key: 'head', value: after, ifRevision: found?.revision ?? 0 }, ...values, ...history])) return undefined
    const isThere = path.key === undefined || wanted.size > 0
    return { version, at, tag: isThere ? path.key === undefined ? tagAt(after, path.category) : tag : undefined, wasThere: standing.exists, changes }
  }

  /** The records of a new version, and the removal of those that are too old. Counts them in `head`. */
  async #history (partition: string, head: Head, version: StateVersion, before: Texts): Promise<Change[]> {
    if (this.#limits.versions === 0) return []
    const old = new Map(replacedBy(version).map(name => [name, before.get(name) ?? '']))
    const oldBytes = [...old.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
    const bytes = version.changes.length * CHANGE_BYTES + oldBytes
    head.historyBytes += bytes
    const removed: Change[] = []
    while (head.oldest < head.version && (head.version - head.oldest >= this.#limits.versions || head.historyBytes > HISTORY_BYTES)) {
      const oldest = (await this.#records.get<Kept>(partition, versionKey(head.oldest)))?.value
      removed.push({ key: versionKey(head.oldest) }, ...oldest?.old ? [] : replacedBy(oldest).map(name => ({ key: oldKey(head.oldest, name) })))
      head.historyBytes -= oldest?.bytes ?? 0
      head.oldest++
    }
    const isSmall = oldBytes <= SMALL_BYTES
    const kept: Kept = { ...version, bytes, ...(isSmall && { old: Object.fromEntries(old) }) }
    const apart = isSmall ? [] : [...old].map(([name, value]) => ({ key: oldKey(version.version, name), value, ifRevision: 0 }))
    return [{ key: versionKey(version.version), value: kept, ifRevision: 0 }, ...apart, ...removed]
  }

  /** The values of `now`, with everything undone that came after the version. */
  async #asAt (partition: string, version: number, now: Texts, category?: string): Promise<Texts> {
    const head = (await this.#head(partition))?.value
    if (!head || this.#limits.versions === 0 || version > head.version || version < head.oldest - 1) throw failure('STATE_VERSION_NOT_FOUND')
    const later = await this.#records.list<Kept>(partition, { prefix: 'version/', after: versionKey(version) })
    const texts = new Map(now)
    const seen = new Set<string>()
    for (const { value } of later) {
      for (const change of value.changes.filter(change => category === undefined || change.category === category)) {
        const name = `${change.category}/${change.key}`
        if (seen.has(name)) continue
        seen.add(name)
        const old = change.action === 'added' ? undefined : value.old ? value.old[name] : (await this.#records.get<string>(partition, oldKey(value.version, name)))?.value
        if (old === undefined) texts.delete(name)
        else texts.set(name, old)
      }
    }
    return texts
  }

  #head (partition: string): Promise<Found<Head> | undefined> {
    return this.#records.get<Head>(partition, 'head')
  }

  async #below (partition: string, { category, key }: StatePath): Promise<Found<Value>[]> {
    if (category === undefined) return await this.#records.list(partition, { prefix: 'value/' })
    if (key === undefined) return await this.#records.list(partition, { prefix: `value/${category}/` })
    const found = await this.#records.get<Value>(partition, `value/${category}/${key}`)
    return found ? [found] : []
  }
}

function readingOf ({ category, key }: StatePath, head: Head | undefined, found: Found<Value>[]): Reading {
  const texts: Texts = new Map(found.map(({ key, value }) => [key.slice('value/'.length), value.text]))
  const exists = found.length > 0
  if (key !== undefined) return { texts, exists, tag: found[0]?.value.tag, at: found[0]?.value.at }
  return { texts, exists, tag: tagAt(head, category) }
}

/** The tag of a category, or of all of it. */
function tagAt (head: Head | undefined, category?: string): string {
  if (!head || (category !== undefined && !Object.hasOwn(head.categories, category))) return EMPTY_TAG
  return `${head.epoch}-${category === undefined ? head.version : head.categories[category]!.version}`
}

function differences (before: Texts, after: Texts): ValueChange[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names].filter(name => before.get(name) !== after.get(name)).map(name => ({
    ...partsOf(name), action: !before.has(name) ? 'added' : after.has(name) ? 'changed' : 'deleted'
  }))
}

/** The categories after the changes; those without values are left out. */
function countedIn ({ categories }: Head, changes: ValueChange[], version: number): Head['categories'] {
  const counted = new Map(Object.entries(categories))
  for (const { category, action } of changes) {
    const values = (counted.get(category)?.values ?? 0) + (action === 'added' ? 1 : action === 'deleted' ? -1 : 0)
    counted.set(category, { version, values })
  }
  return Object.fromEntries([...counted].filter(([, { values }]) => values > 0))
}

function sizeOf (texts: Texts): number {
  let bytes = 0
  for (const [name, text] of texts) bytes += Buffer.byteLength(name) + Buffer.byteLength(text)
  return bytes
}

function replacedBy (version: StateVersion | undefined): string[] {
  return version?.changes.filter(({ action }) => action !== 'added').map(({ category, key }) => `${category}/${key}`) ?? []
}

function versionKey (version: number): string {
  return `version/${String(version).padStart(12, '0')}`
}

function oldKey (version: number, name: string): string {
  return `old/${String(version).padStart(12, '0')}/${name}`
}
