// Reads the pages' files once, at the start. They are served from memory, under a path that changes with their content.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

/** One file to serve: its name in the URL, its source files, in order, and its headers. */
export interface ServedFile {
  name: string
  paths: readonly string[]
  headers: Record<string, string>
}

/** One file, ready to send, plain or compressed. */
export interface LoadedFile {
  headers: Record<string, string>
  body: Buffer
  br: Buffer
  gzip: Buffer
}

/** All files by name, and the version that names their folder: /display/<version>/<name> */
export interface LoadedFiles {
  version: string
  files: ReadonlyMap<string, LoadedFile>
}

// ends a statement or line comment that a file leaves open
const SEPARATOR = Buffer.from('\n;\n')
const compressBrotli = promisify(brotliCompress)
const compressGzip = promisify(gzip)

/** Loads and compresses every file. Throws when one is missing: a display needs the files of the Xpra client. */
export async function loadFiles (list: readonly ServedFile[]): Promise<LoadedFiles> {
  const loaded = await Promise.all(list.map(async file => [file.name, await loadFile(file)] as const))
  const hash = createHash('sha256')
  const files = new Map(loaded)
  for (const [name, file] of loaded) {
    hash.update(`${name}\0${file.body.length}\0`).update(file.body)
  }
  return { version: hash.digest('hex').slice(0, 16), files }
}

async function loadFile ({ paths, headers }: ServedFile): Promise<LoadedFile> {
  const parts = await Promise.all(paths.map(path => readFile(path)))
  const body = Buffer.concat(parts.flatMap((part, index) => index === 0 ? [part] : [SEPARATOR, part]))
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: body.length }
  const [br, gz] = await Promise.all([compressBrotli(body, { params }), compressGzip(body)])
  return { headers: { ...headers, vary: 'accept-encoding' }, body, br, gzip: gz }
}
