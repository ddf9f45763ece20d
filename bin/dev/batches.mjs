// Packs changes into requests within the server's limits.
import { isUtf8 } from 'node:buffer'

const MIB = 1024 * 1024
/** The server's: 20 MiB and 1000 files a request, 5 MiB a file. */
const [REQUEST_BYTES, REQUEST_FILES, FILE_BYTES] = [18 * MIB, 1000, 5 * MIB]

/** The changes of one request: as many as fit, or one large file. */
export class Batch {
  /** Each with a path, and the new content with its hash; a change without content is a deletion. */
  changes = []
  #bytes = 0

  /** Adds the change. Returns false if the batch would become too large. */
  add (change) {
    const bytes = isLarge(change) ? REQUEST_BYTES : Buffer.byteLength(JSON.stringify(toPushed(change))) + 1
    if (this.changes.length > 0 && (this.changes.length === REQUEST_FILES || this.#bytes + bytes > REQUEST_BYTES)) return false
    this.changes.push(change)
    this.#bytes += bytes
    return true
  }

  get paths () { return this.changes.map(({ path }) => path) }

  /** The file that is too large to share a request; undefined if there is none. */
  get large () { return this.changes.find(isLarge) }

  /** The hashes of the written files, by path. */
  get hashes () { return new Map(this.changes.filter(({ content }) => content).map(({ path, hash }) => [path, hash])) }

  /** The changes in the form of a request. */
  get files () { return this.changes.map(toPushed) }
}

/** Tells whether the change's file is too large to share a request. */
export function isLarge ({ content }) {
  return content !== undefined && content.length > FILE_BYTES
}

function toPushed ({ path, content }) {
  if (content === undefined) return { filePath: path, delete: true, ifExists: true }
  return isUtf8(content) ? { filePath: path, content: content.toString() } : { filePath: path, content: content.toString('base64'), encoding: 'base64' }
}
