import type { Readable } from 'node:stream'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { failure, isPathError } from '#errors.ts'
import { FILE_BYTES, type FileChange } from '#domain/code/file-changes.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Enter, EnteredProgram } from '#system/sandbox/enter.ts'
import { programText, pythonArgv } from './session-program.ts'

/** Options of a push as a whole. */
export interface PushOptions {
  /** The transfer in whose folder the staged files are. */
  transfer?: string
  /** Deletes all files below the base that are not among the changes, except in folders of these names that hold none of the changes. */
  allBut?: readonly string[]
  /** Leaves these folders as they are, also those that hold some of the changes. */
  leaves?: boolean
}

const PROGRAM = programText('file-paths.py', 'source-scan.py', 'file-writer.py')
const ANSWER_BYTES = 16_384
/** 20,000 files, whose paths have 2 MiB, and 1 MiB of content; a piece of 256 KiB. Both as JSON. */
const SCAN_BYTES = 20 * 1024 * 1024
const PIECE_BYTES = 512 * 1024
const SCAN_MS = 30_000
const ANSWER_MS = 10_000
const ANSWER_MS_EACH = 3
/** An empty request. A new writer first rolls back by the journal of the one before; for this request it does nothing else. */
const NOTHING = '{"base":"","files":[]}\n'

const Pushed = Type.Object({
  ok: Type.Literal(true),
  made: Type.Integer({ minimum: 0, description: 'New files among the written ones' }),
  written: Type.Integer({ minimum: 0 }),
  deleted: Type.Integer({ minimum: 0 })
})
/** The numbers of files that a push changed. */
export type Pushed = Omit<Static<typeof Pushed>, 'ok'>

/** The session may answer in the writer's place, so the answer is checked. */
const Refused = Type.Object({ error: Type.String({ maxLength: 64 }), path: Type.String() })
const Answer = Type.Union([Pushed, Refused])

const Path = Type.String({ maxLength: 4096 })
const Content = Type.String({ maxLength: PIECE_BYTES })
const Scanned = Type.Object({
  files: Type.Array(Type.Object({
    path: Path,
    size: Type.Integer({ minimum: 0, maximum: FILE_BYTES }),
    hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    content: Type.Optional(Content)
  }), { maxItems: 20_000 }),
  gone: Type.Array(Path, { maxItems: 20_000 }),
  left: Type.Integer({ minimum: 0 })
})
/** What a scan found: files with new content, files that are gone, and the number of files that could not be read. */
export type Scanned = Static<typeof Scanned> & {
  /** All files are among `files`: this scan knew of none before. */
  isAll: boolean
}
const Piece = Type.Object({ content: Content })

/**
 * Writes files into one session's home, as its user and inside its sandbox; see file-writer.py. Its process is
 * started at the first push, and again after it has died. Pushes are written one after another.
 */
export class FileWriter {
  readonly #enter: Enter
  #program: EnteredProgram | undefined
  readonly #inTurn = newQueue()
  #lastPush: Promise<unknown> = Promise.resolve()
  /** The process that scanned last. Another one knows of no files. */
  #scannedBy: EnteredProgram | undefined
  #isStopped = false

  /** `enter` leads into the session's sandbox. */
  constructor (enter: Enter) {
    this.#enter = enter
  }

  /**
   * Makes all of the changes or none. Their paths are relative to `base`, and `base` is relative to the home ('' is the home).
   * @throws {Ex10Error} EX10_PATH_…, EX10_PRECONDITION_FAILED, EX10_DISK_FULL, EX10_TOO_MANY_FILES, or
   * EX10_WRITER_FAILED when it did not answer in 10 s and 3 ms a file
   */
  push (base: string, changes: FileChange[], options: PushOptions = {}): Promise<Pushed> {
    const pushed = this.#inTurn(() => this.#push(base, changes, options))
    this.#lastPush = pushed
    return pushed
  }

  /**
   * The files below `base` that have changed since the last scan, or all with `all`: without folders that match `skip`, but
   * with the files `also`, wherever they are.
   * @throws {Ex10Error} EX10_TOO_MANY_FILES, EX10_WRITER_FAILED
   */
  scan (base: string, { skip, also, all = false }: { skip: readonly string[], also: readonly string[], all?: boolean }): Promise<Scanned> {
    return this.#inTurn(async () => {
      const isAll = all || !this.#isRunning() || this.#program !== this.#scannedBy
      const scanned = await this.#read(Scanned, { do: 'scan', base, skip, also, all: isAll }, SCAN_MS, SCAN_BYTES)
      this.#scannedBy = this.#program
      return { ...scanned, isAll }
    })
  }

  /** The content of a file below `base`, which had this size when it was scanned. @throws {Ex10Error} EX10_WRITER_FAILED */
  async * content (base: string, path: string, size: number): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0; at < size;) {
      const { content } = await this.#inTurn(() => this.#read(Piece, { do: 'piece', base, path, at }, ANSWER_MS, PIECE_BYTES))
      const piece = Buffer.from(content, 'base64')
      if (piece.length === 0 || piece.length > size - at) throw failure('WRITER_FAILED') // it has changed meanwhile
      at += piece.length
      yield piece
    }
  }

  /** Resolves when all pushes from before the call have been written or have failed. */
  async written (): Promise<void> {
    await this.#lastPush.catch(() => {})
  }

  /** Ends the process. */
  stop (): void {
    this.#isStopped = true
    this.#program?.letGo()
    this.#program = undefined
  }

  async #push (base: string, changes: FileChange[], { transfer, allBut, leaves }: PushOptions): Promise<Pushed> {
    const request = { base, files: changes.map(toFile), transfer, ...(allBut && { sync: true, keep: allBut, leaves }) }
    const answer = await this.#askOrGoBack(Answer, JSON.stringify(request) + '\n', ANSWER_MS + ANSWER_MS_EACH * changes.length)
    if ('ok' in answer) return { made: answer.made, written: answer.written, deleted: answer.deleted }
    const details = { filePath: changes.find(change => change.path === answer.path)?.path }
    const { error } = answer
    if (isPathError(error) || error === 'DISK_FULL' || error === 'PRECONDITION_FAILED' || error === 'TOO_MANY_FILES') throw failure(error, { details })
    throw failure('WRITER_FAILED', { details })
  }

  async #read<Schema extends TSchema> (schema: Schema, request: object, ms: number, bytes: number): Promise<Static<Schema>> {
    const answer = await this.#askOrGoBack(Type.Union([schema, Refused]), JSON.stringify(request) + '\n', ms, bytes)
    if (Value.Check(schema, answer)) return answer
    throw failure((answer as Static<typeof Refused>).error === 'TOO_MANY_FILES' ? 'TOO_MANY_FILES' : 'WRITER_FAILED')
  }

  /** Replaces a writer that was killed half-way, or does not answer, by a new one, which rolls back the unfinished push. */
  async #askOrGoBack<Schema extends TSchema> (schema: Schema, request: string, ms: number, bytes = ANSWER_BYTES): Promise<Static<Schema>> {
    try {
      return await this.#ask(schema, request, ms, bytes)
    } catch (cause) {
      await this.#kill()
      await this.#ask(Answer, NOTHING, ANSWER_MS).catch(() => this.#kill()) // if that fails now, the next push's writer rolls back
      throw failure('WRITER_FAILED', { cause })
    }
  }

  async #ask<Schema extends TSchema> (schema: Schema, request: string, ms: number, bytes = ANSWER_BYTES): Promise<Static<Schema>> {
    const program = await this.#running()
    program.stdin.write(request)
    const answer: unknown = JSON.parse(await readLine(program.stdout, bytes, AbortSignal.timeout(ms)))
    if (!Value.Check(schema, answer)) throw new Error('the file writer gave a malformed answer')
    return answer
  }

  async #kill (): Promise<void> {
    const program = this.#program
    this.#program = undefined
    await program?.kill()
  }

  async #running (): Promise<EnteredProgram> {
    if (this.#isStopped) throw new Error('the session is ending')
    if (this.#program && this.#isRunning()) return this.#program
    const program = await this.#enter(pythonArgv(PROGRAM))
    this.#program = program
    return program
  }

  #isRunning (): boolean {
    return this.#program !== undefined && this.#program.isRunning && !this.#program.stdout.destroyed
  }
}

/** The change in the form of the program's request. */
function toFile (change: FileChange) {
  const { path, ifMatch, ifNoneMatch } = change
  const asked = { path, ifMatch, ifNoneMatch }
  if ('staged' in change) return { ...asked, staged: change.staged }
  if ('content' in change) return { ...asked, content: change.content.toString('base64') }
  if ('same' in change) return { path, same: true }
  return { ...asked, delete: true, ifExists: change.ifExists }
}

/** Reads one line of at most so many bytes. */
async function readLine (stream: Readable, bytes: number, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const pieces: Buffer[] = []
  let left = bytes
  const onData = (piece: Buffer) => {
    const end = piece.indexOf('\n')
    left -= piece.length
    pieces.push(piece)
    if (left < 0) reject(new Error('the answer is too long'))
    else if (end >= 0 && end < piece.length - 1) reject(new Error('the file writer sent more than one line'))
    else if (end >= 0) resolve(Buffer.concat(pieces).toString('utf8', 0, bytes - left - 1))
  }
  const onEnd = () => reject(new Error('the file writer ended'))
  const onAbort = () => reject(signal.reason)
  stream.on('data', onData).on('close', onEnd).on('error', reject).resume()
  signal.addEventListener('abort', onAbort)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    // unrequested output of the session stays in the pipe, at no cost to the server
    stream.pause().off('data', onData).off('close', onEnd).off('error', reject)
  }
}
