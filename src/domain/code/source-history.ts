import { newQueue } from '#domain/concurrency/queue.ts'
import type { Blobs } from '#domain/storage/blobs.ts'
import type { Records } from '#domain/storage/records.ts'
import { failure } from '#errors.ts'
import type { FileChange } from './file-changes.ts'
import { KeptBlobs } from './kept-blobs.ts'
import { SourceFiles, type Source } from './source-files.ts'
import { readTree, type FileEntry } from './source-tree.ts'
import { isInFolder } from './tool-folders.ts'
import { activityKeyOf, keyOf, rankOf, type Activity, type Origin, type PendingVersion, type Version } from './version.ts'

/** The part of the space that remains taken when older versions were given up for a new one. */
const LEFT = 0.9
const MOST_VERSIONS = 1000
const LEFT_VERSIONS = 900
/** Trees that were captured without a version and are kept: one more than the last, which somebody may still hold. */
const CAPTURED = 2
const MOST_ACTIVITIES = 200
/** The key of the captured trees, behind those of all versions. */
const CAPTURES = 'captured'

export const partitionOf = (id: string) => `versions/${id}`

/**
 * The versions of one session's extension. `add`, `capture`, `changesTo` and `makeRoom` are called one at a time, while nothing
 * writes the files; all but `add` when every version that was added is in the stores.
 */
export class SourceHistory {
  readonly #id: string
  readonly #mostBytes: number
  readonly #records: Records
  readonly #blobs: KeptBlobs
  readonly #versions: Version[]
  #captured: string[]
  readonly #files: SourceFiles
  readonly #activities: Activity[]
  readonly #inTurn = newQueue()

  private constructor (id: string, mostBytes: number, records: Records, blobs: KeptBlobs, versions: Version[], captured: string[], activities: Activity[], files: SourceFiles) {
    this.#id = id
    this.#mostBytes = mostBytes
    this.#records = records
    this.#blobs = blobs
    this.#versions = versions
    this.#captured = captured
    this.#activities = activities
    this.#files = files
  }

  /** Begins with the versions that earlier servers kept. They may take `mostBytes` in the store. */
  static async open (id: string, mostBytes: number, records: Records, store: Blobs, toolFolders: readonly string[]): Promise<SourceHistory> {
    const [found, blobs] = await Promise.all([records.list(partitionOf(id)), KeptBlobs.open(id, store)])
    const valuesOf = <Value>(keys: RegExp) => found.filter(({ key }) => keys.test(key)).map(({ value }) => value as Value)
    const versions = valuesOf<Version>(/^\d/)
    const [captured = []] = valuesOf<string[]>(/^captured$/)
    const last = versions.findLast(({ tree }) => tree)?.tree
    const files = last === undefined ? new Map<string, FileEntry>() : await readTree(last, id => blobs.read(id))
    return new SourceHistory(id, mostBytes, records, blobs, versions, captured, valuesOf<Activity>(/^activity-/), new SourceFiles(blobs, files, toolFolders, mostBytes))
  }

  /** All versions, oldest first. */
  get versions (): readonly Version[] {
    return this.#versions
  }

  /** All activities, oldest first. */
  get activities (): readonly Activity[] {
    return this.#activities
  }

  /** The activity that is under way. */
  get activity (): Activity | undefined {
    return this.#activities.find(({ outcome }) => outcome === undefined)
  }

  /** A version by its number or its label. @throws {Ex10Error} EX10_VERSION_NOT_FOUND */
  find (ref: string | number): Version {
    const found = this.#versions.find(({ version, label }) => ref === label || String(ref) === String(version))
    if (!found) throw failure('VERSION_NOT_FOUND')
    return found
  }

  /**
   * Adds the files as they are now as a version, for `keep` to write into the stores; files of more than 64 KiB are in them already.
   * When the files cannot be read, the version is there without them, and `onFailure` hears why.
   */
  async add (source: Source, { named = [], ...origin }: Origin, onFailure: (error: unknown) => void): Promise<PendingVersion> {
    const also = named.filter(path => isInFolder(path, source.toolFolders))
    const at = new Date().toISOString()
    const known = { activity: this.activity?.activity, ...origin, at }
    try {
      const { tree, blobs } = await this.#files.scan(source, also)
      const version: Version = { ...known, tree, ...this.#files.sinceLast() }
      this.#versions.push(version)
      return { version, blobs }
    } catch (error) {
      onFailure(error)
      const version: Version = { ...known, files: 0, bytes: 0, added: 0, changed: 0, removed: 0 }
      this.#versions.push(version)
      return { version, blobs: [] }
    }
  }

  /** Writes a version into the stores. @throws when they do not take it; then it is there without files */
  async keep ({ version, blobs }: PendingVersion): Promise<void> {
    try {
      await this.#files.put(blobs)
      await this.#write(version)
    } catch (error) {
      this.#files.doubt()
      version.tree = undefined
      throw error
    }
  }

  /** Gives up old versions when there are too many, or too much of them. Call it when all versions are in the stores. */
  async makeRoom (): Promise<void> {
    if (this.isFull) await this.#makeRoom()
  }

  get isFull (): boolean {
    return this.#blobs.bytes > this.#mostBytes || this.#versions.length > MOST_VERSIONS
  }

  /** Keeps the files as they are now, without a version. Resolves with the tree. The last two such trees are kept beside the versions. */
  async capture (source: Source): Promise<string> {
    const tree = await this.#files.keep(source)
    if (this.#captured.includes(tree)) return tree
    this.#captured = [...this.#captured, tree].slice(-CAPTURED)
    await this.#records.write(partitionOf(this.#id), [{ key: CAPTURES, value: this.#captured }])
    await this.makeRoom()
    return tree
  }

  /** The changes that make the files as they are now into these, with a name for each file that stays. Files in tool folders are not compared. */
  async changesTo (source: Source, files: Map<string, FileEntry>): Promise<FileChange[]> {
    await this.#files.keep(source)
    const changes: FileChange[] = []
    for (const [path, { hash }] of files) {
      const isSame = this.#files.get(path)?.hash === hash
      changes.push(isSame ? { path, same: true } : { path, content: await this.#blobs.read(hash) })
    }
    return changes
  }

  /** Changes what is said about a version. */
  async note (version: Version, news: Pick<Version, 'confirmedAt' | 'reloadMs' | 'label'>): Promise<void> {
    Object.assign(version, news)
    await this.#write(version)
  }

  /** Resolves when everything that was said before the call is written. */
  async written (): Promise<void> {
    await this.#inTurn(async () => {})
  }

  /** Adds an activity, or changes what is said about one. Of those that have ended, the last ones are kept. */
  async noteActivity (activity: Activity, news: Pick<Activity, 'endedAt' | 'outcome'> = {}): Promise<void> {
    Object.assign(activity, news)
    if (!this.#activities.includes(activity)) this.#activities.push(activity)
    const old = this.#activities.splice(0, this.#activities.length - MOST_ACTIVITIES)
    const changes = [...old.map(({ activity }) => ({ key: activityKeyOf(activity) })), { key: activityKeyOf(activity.activity), value: activity }]
    await this.#inTurn(() => this.#records.write(partitionOf(this.#id), changes))
  }

  /** Those go first that no browser ran, then the oldest, and those with a name last. */
  async #makeRoom (): Promise<void> {
    const isFull = this.#blobs.bytes > this.#mostBytes
    const newest = this.#versions.findLast(({ tree }) => tree)
    const others = this.#versions.filter(version => version !== newest).sort((a, b) => rankOf(a) - rankOf(b) || a.version - b.version)
    const gone = others.splice(0, Math.max(0, this.#versions.length - LEFT_VERSIONS) * Number(this.#versions.length > MOST_VERSIONS))
    const withTree = others.filter(({ tree }) => tree)
    const kept = [newest?.tree, this.activity?.tree, ...this.#captured].filter(tree => tree !== undefined)
    await this.#blobs.trim(kept, withTree.map(({ tree }) => tree!), isFull ? this.#mostBytes * LEFT : Infinity, async dropped => {
      gone.push(...withTree.slice(0, dropped))
      await this.#records.write(partitionOf(this.#id), gone.map(({ version }) => ({ key: keyOf(version) })))
      for (const version of gone) this.#versions.splice(this.#versions.indexOf(version), 1)
    })
  }

  async #write (version: Version): Promise<void> {
    await this.#inTurn(() => this.#records.write(partitionOf(this.#id), [{ key: keyOf(version.version), value: version }]))
  }
}
