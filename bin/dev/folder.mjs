// The person's folder: the list of its files to push, and their content.
import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Ignored } from './ignored.mjs'

const MIB = 1024 * 1024
/** The most bytes of one file in a session. */
const FILE_BYTES = 100 * MIB

/** The file exists, but cannot be pushed: the message says why. */
export class Unreadable extends Error {
  name = 'Unreadable'
}

export class Folder {
  constructor (root) {
    this.root = root
    this.ignored = new Ignored(root)
  }

  /** The files to push: paths relative to the root, with forward slashes. Calls `skip` with each unreadable folder and the reason. */
  async list (skip, folder = '') {
    const entries = await readdir(join(this.root, folder), { withFileTypes: true }).catch(unlessGone([])).catch(({ message }) => {
      skip(`${folder}/`, message)
      return []
    })
    const lists = await Promise.all(entries.map(entry => {
      const path = folder ? `${folder}/${entry.name}` : entry.name
      if (this.ignored.has(path, entry.isDirectory())) return []
      return entry.isDirectory() ? this.list(skip, path) : [path]
    }))
    return lists.flat()
  }

  /** The file's content, with its hash; undefined when there is no such file, or it is not pushed. @throws {Unreadable} */
  async read (path) {
    if (this.ignored.has(path)) return undefined
    const file = join(this.root, path)
    const content = await this.#readWithin(file).catch(unlessGone(undefined))
    return content && { content, hash: createHash('sha256').update(content).digest('hex') }
  }

  async #readWithin (file) {
    const isLink = (await lstat(file)).isSymbolicLink()
    if (isLink && !(await realpath(file)).startsWith(await realpath(this.root) + sep)) throw new Unreadable('it is a link that leads out of the folder')
    const found = await stat(file)
    if (found.isDirectory() && !isLink) return undefined
    if (!found.isFile()) throw new Unreadable(found.isDirectory() ? 'it is a link to a folder' : 'it is not an ordinary file')
    if (found.size > FILE_BYTES) throw new Unreadable(`it is too large: ${Math.ceil(found.size / MIB)} MiB, and a session allows ${FILE_BYTES / MIB}`)
    return await readFile(file)
  }
}

/** For `catch`: returns `otherwise` for a file that was removed in the meantime, and makes other errors Unreadable. */
function unlessGone (otherwise) {
  return error => {
    if (['ENOENT', 'ENOTDIR'].includes(error.code)) return otherwise
    if (error instanceof Unreadable) throw error
    throw new Unreadable(`it cannot be read: ${error.code ?? error.message}`)
  }
}
