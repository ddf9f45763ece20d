import { failure } from '#errors.ts'
import { checkFilePath } from './file-path.ts'

/**
 * A file to write or delete. Its content is here, or in the `staged` file that a transfer has put in its folder. A file that is
 * the `same` is only named: a push that deletes all others leaves it as it is.
 */
export type FileChange = Conditions & ({ path: string, content: Buffer } | { path: string, staged: string } | { path: string, same: true } | { path: string, delete: true, ifExists?: boolean })

/** The condition of a change: the SHA-256 of the file's content is one, or none, of these; `*` matches any existing file. */
export interface Conditions { ifMatch?: '*' | string[], ifNoneMatch?: '*' | string[] }

/** A file as a client pushes it. */
interface Pushed { filePath: string, content?: string, encoding?: 'utf8' | 'base64', delete?: boolean, ifExists?: boolean }

/** The most bytes of a file that is sent alone, and of a file in a push, which is kept in memory. */
export const FILE_BYTES = 100 * 1024 * 1024
const PUSHED_BYTES = 5 * 1024 * 1024

/**
 * The changes for the files of a push.
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
 * The changes for a push of all files: `delete` is not allowed, because files that are not named are deleted.
 * @throws {Ex10Error} like `toChanges`
 */
export function toAllFiles (files: Pushed[]): FileChange[] {
  const deleted = files.find(file => file.delete)
  if (deleted) throw failure('BAD_REQUEST', { message: 'A push of all files has no "delete": leave the file out, and it is deleted', details: { filePath: deleted.filePath.slice(0, 200) } })
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
  // Buffer ignores characters that are not base64: refuse them, so that the client learns of its mistake
  const isBase64 = file.encoding === 'base64'
  if (isBase64 && (!/^[A-Za-z0-9+/]*={0,2}$/.test(file.content) || file.content.length % 4 !== 0)) throw failure('BAD_ENCODING', { details })
  const content = Buffer.from(file.content, isBase64 ? 'base64' : 'utf8')
  if (content.length > PUSHED_BYTES) throw failure('TOO_LARGE', { details })
  return { path, content }
}
