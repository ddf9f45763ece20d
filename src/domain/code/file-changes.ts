import { failure } from '#errors.ts'
import { checkFilePath } from './file-path.ts'

/** A file to write, or to delete. What it is to hold may be a file that a transfer has put in its folder. */
export type FileChange = Conditions & ({ path: string, content: Buffer } | { path: string, staged: string } | { path: string, delete: true, ifExists?: boolean })

/** When to change a file: if its content's SHA-256 is one, or none, of these; `*` is that of any file that is there. */
export interface Conditions { ifMatch?: '*' | string[], ifNoneMatch?: '*' | string[] }

/** A file as a client pushes it. */
interface Pushed { filePath: string, content?: string, encoding?: 'utf8' | 'base64', delete?: boolean, ifExists?: boolean }

/** What a file has at most that comes by itself; and one that comes among others, in a request that is kept in memory. */
export const FILE_BYTES = 100 * 1024 * 1024
const PUSHED_BYTES = 5 * 1024 * 1024

/**
 * What to change for these files.
 * @throws {Ex10Error} EX10_PATH_…, EX10_TOO_LARGE, EX10_BAD_ENCODING, EX10_BAD_REQUEST
 */
export function toChanges (files: Pushed[]): FileChange[] {
  const changes = files.map(toChange)
  const paths = new Set<string>()
  for (const { path } of changes) {
    if (paths.has(path)) throw failure('PATH_REPEATED', { details: { filePath: path } })
    paths.add(path)
  }
  return changes
}

/**
 * The same for files that are all that there are to be.
 * @throws {Ex10Error} likewise
 */
export function toAllFiles (files: Pushed[]): FileChange[] {
  const deleted = files.find(file => file.delete)
  if (deleted) throw failure('BAD_REQUEST', { message: 'All files are given: one that is to go is left out, and not deleted', details: { filePath: deleted.filePath.slice(0, 200) } })
  return toChanges(files)
}

function toChange (file: Pushed): FileChange {
  const path = checkFilePath(file.filePath)
  const details = { filePath: path }
  if (file.delete) {
    if (file.content !== undefined) throw failure('BAD_REQUEST', { message: 'A file is either written or deleted: give content or delete', details })
    return { path, delete: true, ifExists: file.ifExists === true }
  }
  if (file.ifExists) throw failure('BAD_REQUEST', { message: 'ifExists goes with delete', details })
  if (file.content === undefined) throw failure('BAD_REQUEST', { message: 'The content is missing', details })
  // Buffer passes over what is not base64; a person who sends something else should hear of it
  const isBase64 = file.encoding === 'base64'
  if (isBase64 && (!/^[A-Za-z0-9+/]*={0,2}$/.test(file.content) || file.content.length % 4 !== 0)) throw failure('BAD_ENCODING', { details })
  const content = Buffer.from(file.content, isBase64 ? 'base64' : 'utf8')
  if (content.length > PUSHED_BYTES) throw failure('TOO_LARGE', { details })
  return { path, content }
}
