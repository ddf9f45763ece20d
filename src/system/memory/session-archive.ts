import { on, once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { Parser, type ReadEntry } from 'tar'
import { FILE_BYTES } from '#domain/code/file-changes.ts'
import { checkFilePath, readingsOf } from '#domain/code/file-path.ts'
import { isModest } from '#domain/memory/json-text.ts'
import { Ex10Error, failure } from '#errors.ts'
import type { ExtensionStorage } from './browser-contents.ts'
import type { TarFile } from './tar-writer.ts'

/** The names in a session's archive. The head is the first. */
export const NAMES = { head: 'session.json', state: 'state.json', storage: 'storage.json', code: 'code/' } as const

/** What the archive of a session says of it, first of all. */
export const ArchiveHead = Type.Object({
  format: Type.Literal('ex10-session'),
  version: Type.Literal(1),
  at: Type.String({ maxLength: 40 }),
  template: Type.String({ maxLength: 64 }),
  width: Type.Integer({ minimum: 320, maximum: 3840 }),
  height: Type.Integer({ minimum: 240, maximum: 2160 }),
  devServerPort: Type.Integer({ minimum: 1, maximum: 65535 }),
  extensionId: Type.Optional(Type.String({ pattern: '^[a-p]{32}$' })),
  tabs: Type.Array(Type.Object({ url: Type.String({ maxLength: 8192 }), isActive: Type.Optional(Type.Literal(true)) }, { additionalProperties: false }), { maxItems: 100 })
}, { additionalProperties: false })
export type ArchiveHead = Static<typeof ArchiveHead>

const Items = Type.Optional(Type.Record(Type.String(), Type.Unknown()))
const Storage = Type.Object({ local: Items, sync: Items, session: Items }, { additionalProperties: false })

/** What is read of an archive at first. */
export interface SessionArchive { head: ArchiveHead, state: unknown, storage: ExtensionStorage | undefined, files: number }

const UNPACKED_BYTES = 240 * 1024 * 1024
/** An archive may unpack to so many times its size, or to the least. */
const [RATIO, LEAST_BYTES] = [100, 8 * 1024 * 1024]
const ENTRIES = 20_000
const META_BYTES = 16 * 1024
const JSON_BYTES = { [NAMES.head]: 1024 * 1024, [NAMES.state]: 8 * 1024 * 1024, [NAMES.storage]: 20 * 1024 * 1024 } as const
/** The words of pax that change nothing but what they name. */
const PAX = ['path', 'size', 'mtime', 'atime', 'ctime', 'uid', 'gid', 'uname', 'gname', 'comment', 'charset']

/**
 * Reads all of an archive and keeps its JSON parts. Nothing is written.
 * @throws {Ex10Error} EX10_BAD_ARCHIVE, EX10_ARCHIVE_…, EX10_PATH_…, when anything in it is not as it should be
 */
export async function readSessionArchive (archive: AsyncIterable<Uint8Array>): Promise<SessionArchive> {
  let head: ArchiveHead | undefined
  let state: unknown
  let storage: ExtensionStorage | undefined
  let files = 0
  for await (const entry of entriesOf(archive)) {
    if (entry.path === NAMES.head) head = await readJson(entry, ArchiveHead)
    else if (entry.path === NAMES.state) state = await readJson(entry, Type.Record(Type.String(), Type.Unknown()))
    else if (entry.path === NAMES.storage) storage = await readJson(entry, Storage) as ExtensionStorage
    else {
      files++
      await skip(entry)
    }
  }
  if (!head || files === 0) throw failure('BAD_ARCHIVE')
  return { head, state, storage, files }
}

/** The files of the code in an archive that was read before, by their paths in the extension. */
export async function * codeOf (archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile, void, undefined> {
  for await (const entry of entriesOf(archive)) {
    if (entry.path.startsWith(NAMES.code)) yield { path: entry.path.slice(NAMES.code.length), size: entry.size, content: entry }
    else await skip(entry)
  }
}

/** Reads the entry to its end: the next one comes after it. */
async function skip (entry: ReadEntry): Promise<void> {
  entry.resume()
  await entry.promise()
}

async function readJson<Schema extends TSchema> (entry: ReadEntry, schema: Schema): Promise<Static<Schema>> {
  const value = parsed((await buffer(entry)).toString())
  if (!Value.Check(schema, value)) throw failure('BAD_ARCHIVE', { message: `The archive's ${entry.path} is not one of this version`, details: { filePath: entry.path } })
  return value
}

function parsed (text: string): unknown {
  try {
    return isModest(text) ? JSON.parse(text) : undefined
  } catch {
    return undefined // which no schema allows
  }
}

/** Yields the files of the archive, each of which must be read to its end, and checks them. */
async function * entriesOf (archive: AsyncIterable<Uint8Array>): AsyncGenerator<ReadEntry, void, undefined> {
  const parser = new Parser({ strict: true, maxMetaEntrySize: META_BYTES })
  const over = new AbortController()
  let refusal: Ex10Error | undefined
  let reading: ReadEntry | undefined
  const refuse = (error: unknown) => {
    refusal ??= error instanceof Ex10Error ? error : failure('BAD_ARCHIVE', { cause: error })
    over.abort()
    reading?.destroy(refusal) // its reader would wait for the rest
  }
  parser.on('error', refuse)
  parser.on('ignoredEntry', (entry: ReadEntry) => refuse(failure('ARCHIVE_LINK', { details: { filePath: entry.path.slice(0, 200) } })))
  parser.on('meta', (text: string) => { if (!isPlainPax(text)) refuse(failure('BAD_ARCHIVE')) })
  const names = new Set<string>()
  try {
    const entries = on(parser, 'entry', { close: ['end'], signal: over.signal })
    feed(parser, archive, over.signal).catch(refuse)
    for await (const [entry] of entries as AsyncIterable<[ReadEntry]>) {
      check(entry, names)
      if (refusal) throw refusal
      reading = entry
      entry.on('error', () => {}) // its reader gets the error, if there is one
      yield entry
    }
    if (refusal) throw refusal
  } catch (cause) {
    const error = refusal ?? cause
    throw error instanceof Ex10Error ? error : failure('BAD_ARCHIVE', { cause: error })
  } finally {
    over.abort()
  }
}

function check (entry: ReadEntry, names: Set<string>): void {
  const { path, size } = entry
  const details = { filePath: path.slice(0, 200) }
  if (entry.type !== 'File' && entry.type !== 'OldFile') throw failure('ARCHIVE_LINK', { details })
  if (entry.globalExtended !== undefined || checkFilePath(path) !== path) throw failure('BAD_ARCHIVE', { details })
  const isKnown = Object.hasOwn(JSON_BYTES, path) || path.startsWith(NAMES.code)
  if (!isKnown || (names.size === 0) !== (path === NAMES.head)) throw failure('BAD_ARCHIVE', { message: 'This is not the archive of a session: it has other files', details })
  const most = JSON_BYTES[path as keyof typeof JSON_BYTES] ?? FILE_BYTES
  if (!Number.isSafeInteger(size) || size !== entry.header.size) throw failure('BAD_ARCHIVE', { details })
  if (size > most || names.size >= 2 * ENTRIES) throw failure('ARCHIVE_TOO_LARGE', { details })
  const readings = new Set([...readingsOf(path)].map(reading => reading.toLowerCase()))
  if (!readings.isDisjointFrom(names)) throw failure('PATH_REPEATED', { message: 'Two names in the archive are equal, or could be read as equal', details })
  for (const reading of readings) names.add(reading)
}

function isPlainPax (text: string): boolean {
  return text.split('\n').every(line => {
    const [, word = '', value = ''] = /^\d+ ([^=]*)=(.*)$/.exec(line) ?? []
    return line === '' || (PAX.includes(word) && (word !== 'size' || /^\d{1,12}$/.test(value)))
  })
}

async function feed (parser: Parser, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  let isFirst = true
  for await (const piece of unpacked(archive)) {
    if (isFirst && !piece.subarray(0, NAMES.head.length + 1).equals(Buffer.from(`${NAMES.head}\0`))) throw failure('BAD_ARCHIVE', { message: `This is not the archive of a session: its first file is not ${NAMES.head}` })
    isFirst = false
    if (!parser.write(piece)) await once(parser, 'drain', { signal })
    signal.throwIfAborted()
  }
  if (isFirst) throw failure('BAD_ARCHIVE')
  parser.end()
}

/** The tar in a tar.gz or tar.zst. */
async function * unpacked (archive: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let read = 0
  const counted = async function * () {
    for await (const piece of archive) {
      read += piece.length
      yield piece
    }
  }
  const pieces = counted()
  const first = (await pieces.next()).value ?? Buffer.alloc(0)
  const unzip = first[0] === 0x1f && first[1] === 0x8b ? createGunzip() : first[0] === 0x28 && first[1] === 0xb5 ? createZstdDecompress() : undefined
  if (!unzip) throw failure('ARCHIVE_UNKNOWN', { message: 'The archive of a session is a tar.gz or a tar.zst' })
  const whole = async function * () {
    yield first
    yield * pieces
  }
  pipeline(Readable.from(whole(), { objectMode: false }), unzip).catch(error => unzip.destroy(error as Error))
  let bytes = 0
  for await (const piece of unzip as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > Math.min(UNPACKED_BYTES, Math.max(LEAST_BYTES, RATIO * read))) throw failure('ARCHIVE_TOO_LARGE')
    yield piece
  }
}
