import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import type { Blobs } from '#domain/storage/blobs.ts'
import { failure } from '#errors.ts'
import { entriesOf } from './source-tree.ts'

/** The ids of these blobs: hashes of their content. Other blobs of the scope belong to others. */
const ID = /^[0-9a-f]{64}$/
const AT_ONCE = 16

/** The files and folders of one session's history, each kept once. Sizes are those in the store. */
export class KeptBlobs {
  readonly #scope: string
  readonly #blobs: Blobs
  readonly #sizes: Map<string, number>
  #bytes: number

  private constructor (scope: string, blobs: Blobs, sizes: Map<string, number>) {
    this.#scope = scope
    this.#blobs = blobs
    this.#sizes = sizes
    this.#bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  /** Begins with what the store has in this scope. */
  static async open (scope: string, blobs: Blobs): Promise<KeptBlobs> {
    const there = (await blobs.list(scope)).filter(({ id }) => ID.test(id))
    return new KeptBlobs(scope, blobs, new Map(there.map(({ id, bytes }) => [id, bytes])))
  }

  get bytes (): number { return this.#bytes }

  has (id: string): boolean {
    return this.#sizes.has(id)
  }

  async put (id: string, content: AsyncIterable<Uint8Array> | Uint8Array, signal: AbortSignal): Promise<void> {
    if (this.has(id)) return
    const size = await this.#blobs.put(this.#scope, id, content, signal)
    if (!this.has(id)) this.#bytes += size
    this.#sizes.set(id, size)
  }

  async read (id: string): Promise<Buffer> {
    return await buffer(await openBlob(this.#blobs, this.#scope, id))
  }

  /** Gives up trees, the first ones first, until those that remain take at most `most` bytes. Tells how many, then deletes what no tree needs. */
  async trim (kept: string[], dispensable: string[], most: number, giveUp: (count: number) => Promise<void>): Promise<void> {
    const trees = new Trees(this.#sizes, id => this.read(id))
    for (const tree of [...kept, ...dispensable]) await trees.add(tree)
    let dropped = 0
    while (trees.bytes > most && dropped < dispensable.length) trees.drop(dispensable[dropped++]!)
    await giveUp(dropped)
    await this.#deleteAll([...this.#sizes.keys()].filter(id => !trees.need(id)))
  }

  /** Deletes all blobs but those of these trees. */
  async keepOnly (trees: string[]): Promise<void> {
    await this.trim(trees, [], Infinity, async () => {})
  }

  async #deleteAll (ids: string[]): Promise<void> {
    while (ids.length > 0) {
      await Promise.all(ids.splice(0, AT_ONCE).map(async id => {
        await this.#blobs.delete(this.#scope, id)
        this.#bytes -= this.#sizes.get(id) ?? 0
        this.#sizes.delete(id)
      }))
    }
  }
}

/** The content of a blob. @throws {Ex10Error} EX10_VERSION_NOT_FOUND when it is gone */
export async function openBlob (blobs: Blobs, scope: string, id: string): Promise<Readable> {
  const content = await blobs.get(scope, id)
  if (!content) throw failure('VERSION_NOT_FOUND')
  return content
}

/** Counts how often each blob is needed: a folder needs what is in it for as long as it is needed itself. */
class Trees {
  readonly #sizes: Map<string, number>
  readonly #load: (id: string) => Promise<Buffer>
  readonly #uses = new Map<string, number>()
  readonly #inner = new Map<string, string[]>()
  bytes = 0

  constructor (sizes: Map<string, number>, load: (id: string) => Promise<Buffer>) {
    this.#sizes = sizes
    this.#load = load
  }

  need (id: string): boolean {
    return this.#uses.has(fileKey(id)) || this.#uses.has(folderKey(id))
  }

  async add (folder: string): Promise<void> {
    const key = folderKey(folder)
    if (!this.#use(key, folder) || !this.#sizes.has(folder)) return
    const { files, folders } = entriesOf(await this.#load(folder))
    this.#inner.set(key, [...files.map(([, { hash }]) => fileKey(hash)), ...folders.map(([, id]) => folderKey(id))])
    for (const [, { hash }] of files) this.#use(fileKey(hash), hash)
    for (const [, id] of folders) await this.add(id)
  }

  drop (folder: string): void {
    this.#leave(folderKey(folder))
  }

  /** Returns whether this is its first use. */
  #use (key: string, id: string): boolean {
    const uses = this.#uses.get(key) ?? 0
    this.#uses.set(key, uses + 1)
    if (uses === 0) this.bytes += this.#sizes.get(id) ?? 0
    return uses === 0
  }

  #leave (key: string): void {
    const uses = this.#uses.get(key)! - 1
    if (uses > 0) {
      this.#uses.set(key, uses)
      return
    }
    this.#uses.delete(key)
    this.bytes -= this.#sizes.get(key.slice(2)) ?? 0
    for (const inner of this.#inner.get(key) ?? []) this.#leave(inner)
  }
}

/** Content that is a file in one place may, by a person's wish, be a folder in another. */
const fileKey = (id: string) => `f ${id}`
const folderKey = (id: string) => `d ${id}`
