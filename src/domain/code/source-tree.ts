import { createHash } from 'node:crypto'

/** A file's content: its SHA-256 as hex, and its size in bytes. */
export interface FileEntry { hash: string, size: number }

/** A folder as it is kept: an entry a file, and an entry a folder in it, which names that folder's own blob. Its id is the hash of these bytes. */
export interface KeptFolder { id: string, content: Buffer }

type Entry = [name: string, hash: string, size: number] | [name: string, hash: string]

interface Folder { files: Map<string, FileEntry>, folders: Map<string, Folder>, kept?: KeptFolder | undefined }

/** The files of an extension as a Merkle tree: one blob a folder, so that a change of one file makes new blobs only for the folders that lead to it. */
export class SourceTree {
  readonly #root = newFolder()
  #count = 0
  #bytes = 0

  get count (): number { return this.#count }
  /** The size of all files together. */
  get bytes (): number { return this.#bytes }

  get (path: string): FileEntry | undefined {
    const { parts, name } = split(path)
    let folder: Folder | undefined = this.#root
    for (const part of parts) folder = folder?.folders.get(part)
    return folder?.files.get(name)
  }

  /** Puts the file at the path, or removes it, with undefined. Returns the entry that was there. */
  set (path: string, entry: FileEntry | undefined): FileEntry | undefined {
    const { parts, name } = split(path)
    const way = [this.#root]
    for (const part of parts) {
      const { folders } = way.at(-1)!
      if (!folders.has(part)) folders.set(part, newFolder())
      way.push(folders.get(part)!)
    }
    const { files } = way.at(-1)!
    const before = files.get(name)
    if (entry) files.set(name, entry)
    else files.delete(name)
    this.#count += Number(entry !== undefined) - Number(before !== undefined)
    this.#bytes += (entry?.size ?? 0) - (before?.size ?? 0)
    for (const folder of way) folder.kept = undefined
    for (let depth = parts.length; depth > 0 && isEmpty(way[depth]!); depth--) way[depth - 1]!.folders.delete(parts[depth - 1]!)
    return before
  }

  /** All files, each with its path. */
  files (): Generator<[path: string, FileEntry]> {
    return filesOf(this.#root, '')
  }

  /** Every folder as it is to be kept; the last one is the root, whose id is the tree's. */
  folders (): KeptFolder[] {
    const all: KeptFolder[] = []
    keptOf(this.#root, all)
    return all
  }
}

/** The entries of a kept folder. */
export function entriesOf (content: Buffer): { files: [name: string, FileEntry][], folders: [name: string, id: string][] } {
  const entries = JSON.parse(content.toString()) as Entry[]
  return {
    files: entries.flatMap(([name, hash, size]) => size === undefined ? [] : [[name, { hash, size }]]),
    folders: entries.flatMap(([name, hash, size]) => size === undefined ? [[name, hash]] : [])
  }
}

/** All files of a kept tree by their paths, in the order of their names. `load` reads a blob. */
export async function readTree (id: string, load: (id: string) => Promise<Buffer>, folder = ''): Promise<Map<string, FileEntry>> {
  const { files, folders } = entriesOf(await load(id))
  const inner = await Promise.all(folders.map(([name, id]) => readTree(id, load, `${folder}${name}/`)))
  return new Map([...files.map(([name, entry]) => [folder + name, entry] as const), ...inner.flatMap(files => [...files])])
}

export function hashOf (content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function newFolder (): Folder {
  return { files: new Map(), folders: new Map() }
}

function isEmpty ({ files, folders }: Folder): boolean {
  return files.size + folders.size === 0
}

function split (path: string): { parts: string[], name: string } {
  const parts = path.split('/')
  return { name: parts.pop()!, parts }
}

function * filesOf ({ files, folders }: Folder, path: string): Generator<[path: string, FileEntry]> {
  for (const [name, entry] of files) yield [path + name, entry]
  for (const [name, folder] of folders) yield * filesOf(folder, `${path}${name}/`)
}

function keptOf (folder: Folder, all: KeptFolder[]): KeptFolder {
  const inner = [...folder.folders].map(([name, folder]): Entry => [name, keptOf(folder, all).id])
  if (!folder.kept) {
    const entries: Entry[] = [...[...folder.files].map(([name, { hash, size }]): Entry => [name, hash, size]), ...inner]
    const content = Buffer.from(JSON.stringify(entries.sort(([a], [b]) => a < b ? -1 : 1)))
    folder.kept = { id: hashOf(content), content }
  }
  all.push(folder.kept)
  return folder.kept
}
