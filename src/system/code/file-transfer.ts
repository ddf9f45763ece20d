import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { Type, type Static } from '@sinclair/typebox'
import { archivePaths } from '#domain/code/archive-names.ts'
import { checkFilePath } from '#domain/code/file-path.ts'
import { FILE_BYTES, type FileChange } from '#domain/code/file-changes.ts'
import { failure } from '#errors.ts'
import type { Enter } from '#system/sandbox/enter.ts'
import { Transfer } from './transfer.ts'

const MAX_LISTED = 20_000
const MAX_ENTRIES = 20_000
const NAME_BYTES = 8 * 1024 * 1024
/** Time limit to build an extension and to compress 200 MB, on a busy machine. */
const ZIP_MS = 90_000
const ZIP_BYTES = 300 * 1024 * 1024 // incompressible files, and the overhead of a zip

const Size = Type.Integer({ minimum: 0 })
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Modified = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: 'Milliseconds since 1970' })
const Listed = Type.Object({ path: Type.String({ maxLength: 4096 }), size: Size, modified: Modified, hash: Type.Optional(Hash) })
const ListLine = Type.Union([Listed, Type.Object({ truncated: Type.Boolean() })])
const Sent = Type.Object({ size: Type.Integer({ minimum: 0, maximum: FILE_BYTES }), modified: Modified, hash: Hash })
const Staged = Type.Object({ size: Size, hash: Hash })
const Entry = Type.Union([Type.Object({ name: Type.String(), folder: Type.Literal(true) }), Type.Object({ name: Type.String(), size: Size })])
const EntryLine = Type.Union([Entry, Type.Object({ done: Type.Literal(true) })])
const Zipped = Type.Object({ size: Type.Integer({ minimum: 0, maximum: ZIP_BYTES }) })

export type ListedFile = Static<typeof Listed>
/** A file to send. The caller must read or destroy `content`. */
export type SentFile = Static<typeof Sent> & { content: Readable }

/** All regular files below the folder, without folders that `skip` names; `truncated` when there are more. */
export async function listFiles (enter: Enter, base: string, skip: readonly string[], signal: AbortSignal): Promise<{ files: ListedFile[], truncated: boolean }> {
  const transfer = await Transfer.start(enter, { do: 'list', base, skip }, signal)
  try {
    const files: ListedFile[] = []
    for (;;) {
      const line = await transfer.line(ListLine)
      if ('truncated' in line) return { files, truncated: line.truncated }
      if (files.push(line) > MAX_LISTED) throw failure('WRITER_FAILED')
    }
  } finally {
    await transfer.end()
  }
}

/** Opens a file for reading. @throws {Ex10Error} EX10_PATH_…, EX10_FILE_TOO_LARGE, EX10_WRITER_FAILED */
export async function sendFile (enter: Enter, base: string, path: string, signal: AbortSignal): Promise<SentFile> {
  const transfer = await Transfer.start(enter, { do: 'read', base, path }, signal)
  return await sending(transfer, async () => await transfer.line(Sent))
}

/**
 * A zip of the folder's files, without files whose name begins with a dot or ends with one of `skip`. With `build`, runs
 * this command first and packs the folder that it makes, whose path replaces the word `$OUT` in the command.
 * @throws {Ex10Error} EX10_BUILD_FAILED, EX10_NOTHING_TO_EXPORT, EX10_EXPORT_TOO_LARGE, EX10_DISK_FULL, EX10_WRITER_FAILED
 */
export async function sendZip (enter: Enter, base: string, skip: readonly string[], build: readonly string[] | undefined, signal: AbortSignal): Promise<{ size: number, content: Readable }> {
  const transfer = await Transfer.start(enter, { do: 'export', transfer: newId(), base, skip, build }, signal)
  return await sending(transfer, async () => await transfer.line(Zipped, ZIP_MS))
}

async function sending<Head extends { size: number }> (transfer: Transfer, begin: () => Promise<Head>): Promise<Head & { content: Readable }> {
  try {
    const head = await begin()
    const content = Readable.from(transfer.bytes(head.size), { objectMode: false })
    content.once('close', () => { transfer.end().catch(() => {}) }) // the session's teardown removes any rest
    return { ...head, content }
  } catch (error) {
    await transfer.end()
    throw error
  }
}

/** The files that a transfer has put into its folder, for the file writer to move. */
export interface Received { transfer: string, changes: FileChange[] }

/**
 * Puts the content into the file '0' of a transfer and calls `use`, which lets the file writer move it. Afterwards nothing
 * of the transfer is left.
 * @throws {Ex10Error} EX10_DISK_FULL, EX10_WRITER_FAILED; errors of `use` and of the content
 */
export async function receiveFile<T> (enter: Enter, content: AsyncIterable<Uint8Array>, signal: AbortSignal, use: (transfer: string, file: Static<typeof Staged>) => Promise<T>): Promise<T> {
  const id = newId()
  const transfer = await Transfer.start(enter, { do: 'stage', transfer: id }, signal)
  try {
    await transfer.send(content)
    return await use(id, await transfer.line(Staged))
  } finally {
    await transfer.end()
  }
}

/**
 * Unpacks the archive and calls `use`, which lets the file writer move the files. Afterwards nothing of the transfer is left.
 * With `isExact`, the names in the archive are the paths; there may be no folders.
 * @throws {Ex10Error} EX10_PATH_…, EX10_BAD_ARCHIVE, EX10_ARCHIVE_…, EX10_DISK_FULL, EX10_WRITER_FAILED; errors of `use` and of the content
 */
export async function receiveArchive<T> (enter: Enter, content: AsyncIterable<Uint8Array>, signal: AbortSignal, use: (received: Received) => Promise<T>, isExact = false): Promise<T> {
  const id = newId()
  const transfer = await Transfer.start(enter, { do: 'unpack', transfer: id }, signal)
  try {
    await transfer.send(content)
    return await use({ transfer: id, changes: changesOf(await readEntries(transfer), isExact) })
  } finally {
    await transfer.end()
  }
}

async function readEntries (transfer: Transfer): Promise<Static<typeof Entry>[]> {
  const entries: Static<typeof Entry>[] = []
  let nameBytes = 0
  for (;;) {
    const line = await transfer.line(EntryLine)
    if ('done' in line) return entries
    nameBytes += line.name.length
    if (entries.push(line) > MAX_ENTRIES || nameBytes > NAME_BYTES) throw failure('ARCHIVE_TOO_LARGE')
  }
}

/** The changes for the entries. In the transfer's folder, files are numbered in their order; folders have no number. */
function changesOf (entries: Static<typeof Entry>[], isExact: boolean): FileChange[] {
  const paths = isExact ? entries.map(({ name }) => checkFilePath(name)) : archivePaths(entries.map(entry => ({ name: entry.name, isFolder: 'folder' in entry })))
  let number = 0
  return entries.flatMap((entry, index) => {
    if ('folder' in entry) return []
    const staged = String(number++)
    const path = paths[index]
    return path === undefined ? [] : [{ path, staged }]
  })
}

function newId (): string {
  return randomBytes(8).toString('hex')
}
