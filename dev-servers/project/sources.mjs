import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const MAX_FILES = 20_000
/** For a larger file, its size and times are compared, not its content. */
const HASHED_BYTES = 5 * 1024 * 1024
/** Temporary and private files that editors, bundlers and package managers put beside sources. */
const NO_SOURCE = /~$|\.sw[px]$|\.log$|\.tsbuildinfo$|\.timestamp-[^/]*\.mjs$|\.bundled_[^/]*\.m?js$/
/** Usual output folders of builds, beside a package.json. */
const OUTPUT_NAMES = ['dist', 'out', 'output', 'build']

/** The files of a folder by name and content, without installed and built files. */
export class Sources {
  #root
  #known = new Map() // path -> { stamp, hash }

  constructor (root) {
    this.#root = root
  }

  /**
   * The present files. These folders are no sources: names that begin with a dot, node_modules, `outputs`, folders that
   * .gitignore names, and usual output folders. Projects also keep scripts in `build`, so that folder counts as an output
   * only when it holds a manifest.json. Symbolic links are not followed.
   * @param {Set<string>} outputs folders, relative
   * @returns {{files: Map<string, string>, folders: string[]}} `files`: a hash for each path; `folders`: absolute
   */
  scan (outputs) {
    const files = new Map()
    const folders = ['']
    const ignored = this.#gitIgnored()
    for (const folder of folders) {
      const entries = this.#entries(folder)
      const isPackage = entries.some(({ name }) => name === 'package.json')
      for (const entry of entries) {
        const path = folder ? `${folder}/${entry.name}` : entry.name
        if (entry.isDirectory() && !ignored.has(entry.name) && !ignored.has(`/${path}`) && !this.#isNoSource(entry.name, path, isPackage, outputs)) folders.push(path)
        if (entry.isFile() && !NO_SOURCE.test(entry.name)) files.set(path, this.#hashOf(path))
      }
      if (files.size > MAX_FILES) break
    }
    for (const path of this.#known.keys()) if (!files.has(path)) this.#known.delete(path)
    return { files, folders: folders.map(folder => join(this.#root, folder)) }
  }

  #isNoSource (name, path, isPackage, outputs) {
    if (name.startsWith('.') || name === 'node_modules' || outputs.has(path)) return true
    if (!isPackage || !OUTPUT_NAMES.includes(name)) return false
    return name !== 'build' || [path, ...this.#entries(path).filter(entry => entry.isDirectory()).map(entry => `${path}/${entry.name}`)]
      .some(folder => this.#entries(folder).some(entry => entry.name === 'manifest.json'))
  }

  /** The folders that .gitignore names without a pattern: by name at any depth, or by a path from the root, with a leading slash. */
  #gitIgnored () {
    let text
    try {
      text = readFileSync(join(this.#root, '.gitignore'), 'utf8')
    } catch {
      return new Set()
    }
    const names = text.split('\n').map(line => line.trim().replace(/^\*\*\//, '').replace(/\/(\*\*?)?$/, '')).filter(name => name && !/[#!*?[\\]/.test(name))
    return new Set(names.map(name => name.includes('/') ? `/${name.replace(/^\//, '')}` : name))
  }

  #entries (folder) {
    try {
      return readdirSync(join(this.#root, folder), { withFileTypes: true })
    } catch {
      return [] // it is gone, or we may not read it
    }
  }

  #hashOf (path) {
    try {
      const file = join(this.#root, path)
      const { ino, size, mtimeNs, ctimeNs } = lstatSync(file, { bigint: true })
      const stamp = `${ino} ${size} ${mtimeNs} ${ctimeNs}`
      if (this.#known.get(path)?.stamp !== stamp) {
        const hash = size > HASHED_BYTES ? stamp : createHash('sha1').update(readFileSync(file)).digest('base64')
        this.#known.set(path, { stamp, hash })
      }
      return this.#known.get(path).hash
    } catch {
      return 'unreadable'
    }
  }
}

/** The paths whose files differ between the two. */
export function differences (before, after) {
  return [...new Set([...before.keys(), ...after.keys()])].filter(path => before.get(path) !== after.get(path))
}

/** One text for all of the files: equal files have equal fingerprints in every session. */
export function fingerprint (files) {
  const hash = createHash('sha256')
  for (const path of [...files.keys()].sort()) hash.update(`${path}\0${files.get(path)}\0`)
  return hash.digest('base64url')
}
