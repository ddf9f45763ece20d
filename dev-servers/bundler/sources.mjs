import { readFile, readdir, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'

const MAX_FILES = 5000
const COMPILED = ['.ts', '.tsx', '.mts', '.cts', '.jsx']

/** What a browser does not run as it is. */
export const isCompiled = name => COMPILED.includes(extname(name))

/** The script's name in the extension. */
export const builtName = name => isCompiled(name) ? name.slice(0, -extname(name).length) + '.js' : name

/** A path of the extension as people write it, `/a.js` or `./a.js`, as a file's name. */
export const plainName = path => path.replace(/^(\.?\/)+/, '')

/** The sources as they were when they were listed. */
export class Sources {
  /** Name → what is another whenever the file was written: a rename over it gives it another inode. */
  files = new Map()
  /** Absolute. */
  folders = []

  constructor (dir) {
    this.dir = dir
  }

  /** Lists a folder. Hidden files belong to other programs; links are not followed; Chromium writes `_metadata` itself. */
  static async list (dir) {
    const sources = new Sources(dir)
    const { files, folders } = await walk(dir)
    if (files.length > MAX_FILES) throw new TooManyFiles(`The extension has more than ${MAX_FILES} files: a bundled template takes no more`)
    sources.folders = folders.map(name => join(dir, name))
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
    return this.files.size === other?.files.size && this.names().every(name => this.files.get(name) === other.files.get(name))
  }

  path (name) {
    return join(this.dir, name)
  }

  text (name) {
    return readFile(this.path(name), 'utf8')
  }

  /** The file that is meant by a script's path: `popup.js` may be what `popup.ts` becomes. */
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
    if (error.code !== 'ENOENT') throw error // else it has gone since it was listed
  }
}

/** All files and folders below `root`, in order. */
export async function walk (root) {
  const files = []
  const folders = ['']
  for (const folder of folders) {
    for (const entry of await list(join(root, folder))) {
      if (entry.name.startsWith('.') || (folder === '' && entry.name === '_metadata')) continue
      if (entry.isDirectory()) folders.push(join(folder, entry.name))
      if (entry.isFile()) files.push(join(folder, entry.name))
    }
  }
  return { files: files.sort(), folders }
}

async function list (folder) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOENT') return [] // it has gone since its parent was listed
    throw error
  }
}
