import { Type, type Static } from '@sinclair/typebox'
import { updated, Wait } from './code-update.ts'
import { SessionId } from './common.ts'

export const FileParams = Type.Object({ id: SessionId, '*': Type.String({ description: 'The file\'s path: relative to the extension, with forward slashes' }) })

const Tags = (description: string) => Type.Optional(Type.String({ description }))

/** The conditions of a change of a file. */
export const ChangeConditions = Type.Object({
  'if-match': Tags('Only if the file has one of these ETags; *: only if the file exists'),
  'if-none-match': Tags('Only if the file has none of these ETags; *: only if it does not exist')
})

export const ReadConditions = Type.Object({ 'if-none-match': Tags('ETags of contents that the client has: 304 if the file has one of them') })

export const FileQuery = Type.Object({ wait: Wait }, { additionalProperties: false })

export const DeleteQuery = Type.Object({
  ifExists: Type.Optional(Type.Boolean({ default: false, description: 'A missing file is no error' })),
  wait: Wait
}, { additionalProperties: false })

export const ImportQuery = Type.Object({
  merge: Type.Optional(Type.Boolean({ default: false, description: 'Keep the files that are not in the archive' })),
  wait: Wait
}, { additionalProperties: false })

export const ExportQuery = Type.Object({
  sourceMaps: Type.Optional(Type.Boolean({ default: false, description: 'Include source maps: files whose name ends with .map' }))
}, { additionalProperties: false })

const Size = Type.Integer({ minimum: 0, description: 'Bytes' })
const Hash = Type.String({ description: 'SHA-256 of its content, hex; its ETag is this in double quotes' })

export const FileList = Type.Object({
  files: Type.Array(Type.Object({
    path: Type.String({ description: 'Relative to the extension' }),
    size: Size,
    hash: Type.Optional(Hash),
    modified: Type.String({ format: 'date-time' })
  }, { title: 'FileEntry', description: 'A regular file; without a hash when it cannot be read or is larger than 100 MiB' })),
  truncated: Type.Boolean({ description: 'The list is incomplete: there are more files' })
}, { title: 'FileList', description: 'The extension\'s source files' })
export type FileList = Static<typeof FileList>

export const FileWritten = Type.Object({ ...updated, size: Size, hash: Hash }, { title: 'FileWritten', description: 'The file is written' })
export type FileWritten = Static<typeof FileWritten>

export const FileDeleted = Type.Object(updated, { title: 'FileDeleted', description: 'The file is deleted' })
export type FileDeleted = Static<typeof FileDeleted>

export const Imported = Type.Object({
  ...updated,
  written: Type.Integer({ minimum: 0, description: 'Number of new files and of files with new content' }),
  deleted: Type.Integer({ minimum: 0, description: 'Number of deleted files' })
}, { title: 'Imported', description: 'The archive\'s files are written' })
export type Imported = Static<typeof Imported>

/** Bytes of any kind. */
export const Binary = Type.String({ format: 'binary' })

export const ARCHIVE_TYPES = ['application/zip', 'application/gzip', 'application/x-chrome-extension'] as const

/** The content of a body or an answer that is an archive. */
export const archiveContent = Object.fromEntries(ARCHIVE_TYPES.map(type => [type, { schema: Binary }]))
