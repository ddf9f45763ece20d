import { readFile, readdir, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'

const MAX_FILES = 5000
const COMPILED = ['.ts', '.tsx', '.mts', '.cts', '.jsx']

/** Tells whether a browser cannot run the file without compiling. */
export const isCompiled = name => COMPILED.includes(extname(name))

/** The script's name in the extension. */
export const builtName = name => isCompiled(name) ? name.slice(0, -extname(name).length) + '.js' : name

/** The name of a file for its path as people write it, `/a.js` or `./a.js`. */
export const plainName = path => path.replace(/^(\.?\/)+/, '')

/** The sources at the time of their listing. */
export class Sources {
  /** Name → a state that differs after each write of the file. A rename over the file gives it another inode. */
  files = new Map()
  /** Absolute. */
  folders = []
  /** Names of symbolic links, which are no sources. */
  links = []

  constructor (dir) {
    this.dir = dir
  }

  /** Lists a folder. Hidden files belong to other programs; links are not followed; Chromium writes `_metadata` itself. */
  static async list (dir) {
    const sources = new Sources(dir)
    const { files, folders, links } = await walk(dir)
    if (files.length > MAX_FILES) throw new TooManyFiles(`The extension has more than ${MAX_FILES} files: a bundled template allows no more`)
    sources.folders = folders.map(name => join(dir, name))
    sources.links = links
    const states = await Promise.all(files.map(name => stateOf(join(dir, name))))
    for (const [i, name] of files.entries()) if (states[i]) sources.files.set(name, states[i])
    return sources
  }

  has (name) {
    return this.files.has(name)
  }

  names () {
    return [...this.files.keys()]
  }

  equals (other) {
    return this.files.size === other?.files.size && this.names().every(name => this.files.get(name) === other.files.get(name)) && this.links.join('\0') === other.links.join('\0')
  }

  path (name) {
    return join(this.dir, name)
  }

  text (name) {
    return readFile(this.path(name), 'utf8')
  }

  /** The source file for a script's path: `popup.js` may stand for `popup.ts`. */
  script (path) {
    const name = plainName(path)
    if (this.has(name)) return name
    if (extname(name) === '.js') return COMPILED.map(extension => name.slice(0, -3) + extension).find(source => this.has(source))
  }
}

export class TooManyFiles extends Error {}

async function stateOf (path) {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    if (error.code !== 'ENOENT') throw error // ENOENT: it was removed after the listing
  }
}

/** All files, folders and links below `root`, in order. */
export async function walk (root) {
  const files = []
  const folders = ['']
  const links = []
  for (const folder of folders) {
    for (const entry of await list(join(root, folder))) {
      if (entry.name.startsWith('.') || (folder === '' && entry.name === '_metadata')) continue
      if (entry.isDirectory()) folders.push(join(folder, entry.name))
      if (entry.isFile()) files.push(join(folder, entry.name))
      if (entry.isSymbolicLink()) links.push(join(folder, entry.name))
    }
  }
  return { files: files.sort(), folders, links }
}

async function list (folder) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOENT') return [] // it was removed after its parent was listed
    throw error
  }
}
