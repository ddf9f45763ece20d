// The files of the folder that are not pushed: by the rules of .gitignore files, and by their names.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore from 'ignore'

/** Version control, dependencies, and temporary files of editors and desktops. */
const ALWAYS = ['.git', 'node_modules', '.DS_Store', 'Thumbs.db', '*~', '.*.sw?', '.#*', '\\#*#', '4913', '*___jb_tmp___', '*___jb_old___']

export class Ignored {
  #root
  #always = ignore().add(ALWAYS)
  /** The rules of each folder's .gitignore that has been read. */
  #rules = new Map()

  constructor (root) {
    this.#root = root
  }

  /** Tells whether the path, relative to the root and with forward slashes, is left out, by itself or with a folder above it. */
  has (path, isFolder = false) {
    const parts = path.split('/')
    return parts.some((_, index) => this.#names(parts.slice(0, index + 1), isFolder || index < parts.length - 1))
  }

  /** Tells whether the path is left out by its name, whatever the .gitignore files contain. */
  hasAlways (path) {
    return this.#always.ignores(path)
  }

  /** Forgets the rules, because a .gitignore has changed. */
  forget () {
    this.#rules.clear()
  }

  #names (parts, isFolder) {
    const path = parts.join('/') + (isFolder ? '/' : '')
    if (this.#always.ignores(path)) return true
    let isIgnored = false
    for (let depth = 0; depth < parts.length; depth++) { // rules of deeper folders win
      const verdict = this.#rulesOf(parts.slice(0, depth).join('/'))?.test(parts.slice(depth).join('/') + (isFolder ? '/' : ''))
      if (verdict?.ignored) isIgnored = true
      if (verdict?.unignored) isIgnored = false
    }
    return isIgnored
  }

  #rulesOf (folder) {
    if (!this.#rules.has(folder)) this.#rules.set(folder, readRules(join(this.#root, folder, '.gitignore')))
    return this.#rules.get(folder)
  }
}

function readRules (file) {
  try {
    return ignore().add(readFileSync(file, 'utf8'))
  } catch {
    return undefined // it is missing or unreadable
  }
}
