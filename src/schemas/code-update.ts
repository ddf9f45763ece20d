import { Type, type Static } from '@sinclair/typebox'
import { SessionId } from './common.ts'
import { Problems } from './problem.ts'

const FilePath = Type.String({ description: 'Relative to the extension, with forward slashes' })

export const Wait = Type.Optional(Type.Boolean({ description: 'Answer when the browser runs the pushed code, or cannot' }))

export const UpdateQuery = Type.Object({ wait: Wait }, { additionalProperties: false })

const OneFile = Type.Object({
  sessionId: SessionId,
  filePath: FilePath,
  content: Type.String(),
  wait: Wait
}, { additionalProperties: false, title: 'OneFile', description: 'Writes one file' })

/** The form that an existing front end sends. */
const EditorFile = Type.Object({
  sessionId: SessionId,
  code: Type.Object({
    file_path: FilePath,
    file_content: Type.String(),
    file_finished: Type.Optional(Type.Boolean())
  }),
  wait: Wait
}, { additionalProperties: false, title: 'EditorFile', description: 'Writes one file, in the form that an existing front end sends' })

export const PushedFile = Type.Object({
  filePath: FilePath,
  content: Type.Optional(Type.String({ description: 'Absent only with delete' })),
  encoding: Type.Optional(Type.Union([Type.Literal('utf8'), Type.Literal('base64')], { description: 'utf8 if absent' })),
  delete: Type.Optional(Type.Boolean({ description: 'Delete the file instead of writing it' })),
  ifExists: Type.Optional(Type.Boolean({ description: 'With delete: a missing file is no error' }))
}, { additionalProperties: false, title: 'PushedFile', description: 'A file to write, or to delete' })
export type PushedFile = Static<typeof PushedFile>

const ManyFiles = Type.Object({
  sessionId: SessionId,
  files: Type.Array(PushedFile, { minItems: 1, maxItems: 1000, description: 'All of them are written, or none' }),
  sync: Type.Optional(Type.Boolean({ description: 'These are all files: the server deletes the others' })),
  wait: Wait
}, { additionalProperties: false, title: 'ManyFiles', description: 'Writes and deletes many files, all or none' })

export const CodeUpdate = Type.Union([OneFile, EditorFile, ManyFiles], { title: 'CodeUpdate', description: 'A push, in one of three forms' })
export type CodeUpdate = Static<typeof CodeUpdate>

/** The fields of every answer to a change of the extension. */
export const updated = {
  success: Type.Literal(true),
  message: Type.String(),
  version: Type.Integer({ description: 'Number of pushes to the session, this one included' }),
  loaded: Type.Optional(Type.Boolean({ description: 'With wait: the browser runs the pushed code, and its service worker has started' })),
  reloadMs: Type.Optional(Type.Integer({ description: 'With wait: how long the build and the reload took' })),
  closed: Type.Optional(Type.Array(Type.String(), { description: 'With wait: pages of the extension that Chromium closed at the reload, such as its side panel, and that could not be opened again' })),
  problems: Type.Optional(Problems)
}

export const CodeUpdated = Type.Object({
  ...updated,
  file_finished: Type.Optional(Type.Boolean({ description: 'The value from the request' }))
}, { title: 'CodeUpdated', description: 'The files are written' })
export type CodeUpdated = Static<typeof CodeUpdated>
