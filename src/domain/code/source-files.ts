import { createHash } from 'node:crypto'
import { failure } from '#errors.ts'
import { checkFilePath } from './file-path.ts'
import type { KeptBlobs } from './kept-blobs.ts'
import { hashOf, SourceTree, type FileEntry } from './source-tree.ts'
import { isInFolder } from './tool-folders.ts'
import type { PendingVersion, Version } from './version.ts'

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

const PUTS_AT_ONCE = 8
const KEPT_MS = 60_000

/** One session's source files, as the last scan found them. Its methods are called one at a time, while nothing writes the files. */
export class SourceFiles {
  readonly #blobs: KeptBlobs
  readonly #mostBytes: number
  readonly #tree = new SourceTree()
  /** What differs from the last version, as it was in that version. */
  readonly #before = new Map<string, FileEntry | undefined>()
  /** The files in tool folders that pushes have put there. */
  #also: readonly string[]
  /** The store has all files, or gets them: the next scan need only tell what differs. */
  #isKept = false

  /** Begins with the files of the last version. */
  constructor (blobs: KeptBlobs, files: Map<string, FileEntry>, toolFolders: readonly string[], mostBytes: number) {
    this.#blobs = blobs
    this.#mostBytes = mostBytes
    for (const [path, entry] of files) this.#tree.set(path, entry)
    this.#also = [...files.keys()].filter(path => isInFolder(path, toolFolders))
  }

  get (path: string): FileEntry | undefined {
    return this.#tree.get(path)
  }

  /** The store may lack some of the files: the next scan tells all. */
  doubt (): void {
    this.#isKept = false
  }

  /** Reads the files anew, and puts them into the store. Resolves with their tree. */
  async keep (source: Source): Promise<string> {
    const { tree, blobs } = await this.scan(source, [])
    try {
      await this.put(blobs)
      return tree
    } catch (error) {
      this.doubt()
      throw error
    }
  }

  /**
   * Reads the files anew. Resolves with their tree, and with what the store lacks of it; files of more than 64 KiB are in it
   * already. `named` are files in tool folders that a push has put there.
   */
  async scan (source: Source, named: readonly string[]): Promise<{ tree: string, blobs: PendingVersion['blobs'] }> {
    try {
      return await this.#scan(source, named)
    } catch {
      return await this.#scan(source, named) // a writer that was killed meanwhile is replaced: the second one reads all files again
    }
  }

  /** Puts blobs into the store. */
  async put (blobs: PendingVersion['blobs']): Promise<void> {
    const signal = AbortSignal.timeout(KEPT_MS)
    await inParts(blobs, ({ id, content }) => this.#blobs.put(id, content, signal))
  }

  /** What is said of a version with these files. The next one is compared with it. */
  sinceLast (): Pick<Version, 'files' | 'bytes' | 'added' | 'changed' | 'removed'> {
    const said = { files: this.#tree.count, bytes: this.#tree.bytes, added: 0, changed: 0, removed: 0 }
    for (const [path, before] of this.#before) {
      const now = this.#tree.get(path)
      if (now && !before) said.added++
      else if (before && !now) said.removed++
      else if (now?.hash !== before?.hash) said.changed++
    }
    this.#before.clear()
    return said
  }

  async #scan (source: Source, named: readonly string[]): Promise<{ tree: string, blobs: PendingVersion['blobs'] }> {
    const signal = AbortSignal.timeout(KEPT_MS)
    const wasKept = this.#isKept
    this.#isKept = false
    const also = [...this.#also, ...named]
    const { files, gone, isAll } = await source.scan(also, !wasKept)
    const found = files.filter(({ path }) => isKeepable(path))
    const there = new Set(isAll ? found.map(({ path }) => path) : [])
    for (const path of isAll ? [...this.#tree.files()].map(([path]) => path).filter(path => !there.has(path)) : gone) this.#set(path, undefined)
    for (const { path, hash, size } of found) this.#set(path, { hash, size })
    this.#also = also.filter(path => this.#tree.get(path))
    if (this.#tree.bytes > this.#mostBytes) throw failure('TOO_LARGE', { message: 'The files take more than the history may have' })

    const missing = found.filter(({ hash }) => !this.#blobs.has(hash))
    const short = missing.flatMap(({ hash, content }) => content === undefined ? [] : [{ id: hash, content: Buffer.from(content, 'base64') }])
    if (short.some(({ id, content }) => hashOf(content) !== id)) throw failure('WRITER_FAILED')
    const long = missing.filter(({ content }) => content === undefined)
    await inParts(long, ({ path, size, hash }) => this.#blobs.put(hash, checked(source.content(path, size), hash), signal))
    const folders = this.#tree.folders()
    this.#isKept = true
    return { tree: folders.at(-1)!.id, blobs: [...short, ...folders.filter(({ id }) => !this.#blobs.has(id))] }
  }

  #set (path: string, entry: FileEntry | undefined): void {
    const before = this.#tree.set(path, entry)
    if (!this.#before.has(path)) this.#before.set(path, before)
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
async function * checked (content: AsyncIterable<Buffer>, hash: string): AsyncGenerator<Buffer, void, undefined> {
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
