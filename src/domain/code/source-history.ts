import { createHash } from 'node:crypto'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Blobs } from '#domain/storage/blobs.ts'
import type { Records } from '#domain/storage/records.ts'
import { failure } from '#errors.ts'
import type { FileChange } from './file-changes.ts'
import { checkFilePath } from './file-path.ts'
import { KeptBlobs } from './kept-blobs.ts'
import { readTree, SourceTree, type FileEntry } from './source-tree.ts'
import { isInFolder } from './tool-folders.ts'
import { activityKeyOf, keyOf, rankOf, type Activity, type Origin, type Version } from './version.ts'

/** The session's source files, as its own program reads them. What it says is not trusted. */
export interface Source {
  /** The files that have changed since the last scan, or all; `also` names files in the folders that it leaves out. */
  scan (also: readonly string[], all: boolean): Promise<{ files: { path: string, size: number, hash: string, content?: string }[], gone: string[], isAll: boolean }>
  content (path: string, size: number): AsyncIterable<Buffer>
  /** The folders that tools fill, which are left out. */
  toolFolders: readonly string[]
  /** Runs work while nothing is pushed. */
  inTurn<T> (work: () => Promise<T>): Promise<T>
}

/** The most bytes of a session's history in the store, and what remains when older versions were given up for a new one. */
const MOST_BYTES = 100 * 1024 * 1024
const LEFT_BYTES = 90 * 1024 * 1024
const MOST_VERSIONS = 1000
const LEFT_VERSIONS = 900
/** Trees that were captured without a version and are kept: one more than the last, which somebody may still hold. */
const CAPTURED = 2
const PUTS_AT_ONCE = 8
const KEPT_MS = 60_000
const MOST_ACTIVITIES = 200
/** The key of the captured trees, behind those of all versions. */
const CAPTURES = 'captured'

export const partitionOf = (id: string) => `versions/${id}`

/**
 * The versions of one session's extension. `add` and `capture` are called one at a time, while nothing writes the files.
 */
export class SourceHistory {
  readonly #id: string
  readonly #records: Records
  readonly #blobs: KeptBlobs
  readonly #versions: Version[]
  #captured: string[]
  /** The files in tool folders that pushes have put there. */
  #also: readonly string[]
  /** The files as the last scan found them. */
  readonly #tree: SourceTree
  /** What differs from the last version, as it was in that version. */
  readonly #before = new Map<string, FileEntry | undefined>()
  /** All files of `#tree` are in the store, and the next scan need only tell what differs from it. */
  #isKept = false
  readonly #activities: Activity[]
  readonly #inTurn = newQueue()

  private constructor (id: string, records: Records, blobs: KeptBlobs, versions: Version[], captured: string[], activities: Activity[], tree: SourceTree, also: string[]) {
    this.#id = id
    this.#records = records
    this.#blobs = blobs
    this.#versions = versions
    this.#captured = captured
    this.#activities = activities
    this.#tree = tree
    this.#also = also
  }

  /** Begins with the versions that earlier servers kept. */
  static async open (id: string, records: Records, store: Blobs, toolFolders: readonly string[]): Promise<SourceHistory> {
    const [found, blobs] = await Promise.all([records.list(partitionOf(id)), KeptBlobs.open(id, store)])
    const valuesOf = <Value>(keys: RegExp) => found.filter(({ key }) => keys.test(key)).map(({ value }) => value as Value)
    const versions = valuesOf<Version>(/^\d/)
    const [captured = []] = valuesOf<string[]>(/^captured$/)
    const tree = new SourceTree()
    const last = versions.findLast(({ tree }) => tree)?.tree
    if (last !== undefined) for (const [path, entry] of await readTree(last, id => blobs.read(id))) tree.set(path, entry)
    return new SourceHistory(id, records, blobs, versions, captured, valuesOf<Activity>(/^activity-/), tree, [...tree.files()].map(([path]) => path).filter(path => isInFolder(path, toolFolders)))
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

  /** Keeps the files as they are now, as a version. When that fails, the version is there without files, and `onFailure` hears why. */
  async add (source: Source, { named = [], ...origin }: Origin, onFailure: (error: unknown) => void): Promise<Version> {
    const also = named.filter(path => isInFolder(path, source.toolFolders))
    const at = new Date().toISOString()
    let kept: Pick<Version, 'tree' | 'files' | 'bytes' | 'added' | 'changed' | 'removed'>
    try {
      // a writer that was killed meanwhile is replaced: the second one reads all files again
      const tree = await this.#keep(source, also).catch(() => this.#keep(source, also))
      kept = { tree, files: this.#tree.count, bytes: this.#tree.bytes, ...this.#changes() }
    } catch (error) {
      onFailure(error)
      kept = { files: 0, bytes: 0, added: 0, changed: 0, removed: 0 }
    }
    const version: Version = { activity: this.activity?.activity, ...origin, at, ...kept }
    this.#versions.push(version)
    await this.#write(version)
    await this.#makeRoom()
    return version
  }

  /** Keeps the files as they are now, without a version. Resolves with the tree. The last two such trees are kept beside the versions. */
  async capture (source: Source): Promise<string> {
    const tree = await this.#keep(source, []).catch(() => this.#keep(source, []))
    if (this.#captured.includes(tree)) return tree
    this.#captured = [...this.#captured, tree].slice(-CAPTURED)
    await this.#records.write(partitionOf(this.#id), [{ key: CAPTURES, value: this.#captured }])
    await this.#makeRoom()
    return tree
  }

  /** The changes that make the files as they are now into these, with a name for each file that stays. Files in tool folders are not compared. */
  async changesTo (source: Source, files: Map<string, FileEntry>): Promise<FileChange[]> {
    await this.#keep(source, []).catch(() => this.#keep(source, []))
    const changes: FileChange[] = []
    for (const [path, { hash }] of files) {
      const isSame = this.#tree.get(path)?.hash === hash
      changes.push(isSame ? { path, same: true } : { path, content: await this.#blobs.read(hash) })
    }
    return changes
  }

  /** Changes what is said about a version. */
  async note (version: Version, news: Pick<Version, 'confirmedAt' | 'reloadMs' | 'label'>): Promise<void> {
    Object.assign(version, news)
    await this.#write(version)
  }

  /** Adds an activity, or changes what is said about one. Of those that have ended, the last ones are kept. */
  async noteActivity (activity: Activity, news: Pick<Activity, 'endedAt' | 'outcome'> = {}): Promise<void> {
    Object.assign(activity, news)
    if (!this.#activities.includes(activity)) this.#activities.push(activity)
    const old = this.#activities.splice(0, this.#activities.length - MOST_ACTIVITIES)
    const changes = [...old.map(({ activity }) => ({ key: activityKeyOf(activity) })), { key: activityKeyOf(activity.activity), value: activity }]
    await this.#inTurn(() => this.#records.write(partitionOf(this.#id), changes))
  }

  /** Reads the files anew, and keeps those that the store does not have. `named` are files in tool folders that a push has put there. */
  async #keep (source: Source, named: readonly string[]): Promise<string> {
    const signal = AbortSignal.timeout(KEPT_MS)
    const tree = this.#tree
    const wasKept = this.#isKept
    this.#isKept = false
    const also = [...this.#also, ...named]
    const { files, gone, isAll } = await source.scan(also, !wasKept)
    const found = files.filter(({ path }) => isKeepable(path))
    const left = new Set(isAll ? found.map(({ path }) => path) : [])
    for (const path of isAll ? [...tree.files()].map(([path]) => path).filter(path => !left.has(path)) : gone) this.#set(path, undefined)
    for (const { path, hash, size } of found) this.#set(path, { hash, size })
    this.#also = also.filter(path => tree.get(path))
    if (tree.bytes > MOST_BYTES) throw failure('TOO_LARGE', { message: 'The files take more than 100 MiB' })
    const folders = tree.folders()
    await inParts(found, ({ path, size, hash, content }) => this.#blobs.put(hash, checked(content === undefined ? source.content(path, size) : [Buffer.from(content, 'base64')], hash), signal))
    await inParts(folders, ({ id, content }) => this.#blobs.put(id, content, signal))
    this.#isKept = true
    return folders.at(-1)!.id
  }

  #set (path: string, entry: FileEntry | undefined): void {
    const before = this.#tree.set(path, entry)
    if (!this.#before.has(path)) this.#before.set(path, before)
  }

  /** How many files differ from the last version. */
  #changes (): Pick<Version, 'added' | 'changed' | 'removed'> {
    const changes = { added: 0, changed: 0, removed: 0 }
    for (const [path, before] of this.#before) {
      const now = this.#tree.get(path)
      if (now && !before) changes.added++
      else if (before && !now) changes.removed++
      else if (now?.hash !== before?.hash) changes.changed++
    }
    this.#before.clear()
    return changes
  }

  /** Gives up versions when there are too many, or too much of them: those first that no browser ran, then the oldest, and those with a name last. */
  async #makeRoom (): Promise<void> {
    const isFull = this.#blobs.bytes > MOST_BYTES
    if (!isFull && this.#versions.length <= MOST_VERSIONS) return
    const newest = this.#versions.findLast(({ tree }) => tree)
    const others = this.#versions.filter(version => version !== newest).sort((a, b) => rankOf(a) - rankOf(b) || a.version - b.version)
    const gone = others.splice(0, Math.max(0, this.#versions.length - LEFT_VERSIONS) * Number(this.#versions.length > MOST_VERSIONS))
    const withTree = others.filter(({ tree }) => tree)
    const kept = [newest?.tree, this.activity?.tree, ...this.#captured].filter(tree => tree !== undefined)
    await this.#blobs.trim(kept, withTree.map(({ tree }) => tree!), isFull ? LEFT_BYTES : Infinity, async dropped => {
      gone.push(...withTree.slice(0, dropped))
      await this.#records.write(partitionOf(this.#id), gone.map(({ version }) => ({ key: keyOf(version) })))
      for (const version of gone) this.#versions.splice(this.#versions.indexOf(version), 1)
    })
  }

  async #write (version: Version): Promise<void> {
    await this.#inTurn(() => this.#records.write(partitionOf(this.#id), [{ key: keyOf(version.version), value: version }]))
  }
}

/** Whether the path is one that a push could name: only such a file can be written again. */
function isKeepable (path: string): boolean {
  try {
    return checkFilePath(path) === path
  } catch {
    return false
  }
}

/** The content, if it has this hash. */
async function * checked (content: Iterable<Buffer> | AsyncIterable<Buffer>, hash: string): AsyncGenerator<Buffer, void, undefined> {
  const digest = createHash('sha256')
  for await (const piece of content) {
    digest.update(piece)
    yield piece
  }
  if (digest.digest('hex') !== hash) throw failure('WRITER_FAILED') // the file has changed since the scan
}

async function inParts<Item> (items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += PUTS_AT_ONCE) await Promise.all(items.slice(at, at + PUTS_AT_ONCE).map(work))
}
