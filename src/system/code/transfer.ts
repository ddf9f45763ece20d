import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { failure, isPathError, type Ex10Error } from '#errors.ts'
import type { Enter, EnteredProgram } from '#system/sandbox/enter.ts'
import { programText, pythonArgv } from './session-program.ts'

/** The most transfers, and so the most transfer programs, in a session at a time. */
export const MOST_TRANSFERS = 4
const FILES = programText('file-paths.py', 'transfer-folder.py', 'file-transfer.py')
const ARCHIVES = programText('file-paths.py', 'transfer-folder.py', 'archive-reader.py', 'file-transfer.py')
const LINE_BYTES = 512 * 1024
/** Time limit for the program's next output, and for it to read its input. */
const STALL_MS = 20_000
const END_MS = 2000
const ERRORS = ['DISK_FULL', 'BAD_ARCHIVE', 'ARCHIVE_UNKNOWN', 'ARCHIVE_LINK', 'ARCHIVE_TOO_LARGE', 'EXPORT_TOO_LARGE', 'FILE_TOO_LARGE', 'TOO_MANY_FILES', 'NOTHING_TO_EXPORT', 'BUILD_FAILED'] as const
const LAST_FRAME = Buffer.alloc(4)

/** One run of file-transfer.py: its input and its output. The caller must call `end`, also after an error. */
export class Transfer {
  readonly #enter: Enter
  readonly #program: EnteredProgram
  readonly #pieces: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  private constructor (enter: Enter, program: EnteredProgram) {
    this.#enter = enter
    this.#program = program
    this.#pieces = program.stdout[Symbol.asyncIterator]()
  }

  /** Starts the program. The signal aborts the transfer: the program loses its input, and may clean up. @throws {Ex10Error} EX10_WRITER_FAILED; the signal's reason */
  static async start (enter: Enter, request: { do: string, [key: string]: unknown }, signal: AbortSignal): Promise<Transfer> {
    const source = ['unpack', 'export'].includes(request.do) ? ARCHIVES : FILES
    signal.throwIfAborted()
    try {
      return new Transfer(enter, await enter(pythonArgv(source, JSON.stringify(request)), { signal, graceMs: END_MS }))
    } catch (cause) {
      throw failure('WRITER_FAILED', { cause })
    }
  }

  /** Sends the content, as fast as the program reads it. @throws {Ex10Error} the program's error; errors of the content */
  async send (content: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of content) {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(piece.length)
      if (piece.length > 0) await this.#write(head, piece)
    }
    await this.#write(LAST_FRAME)
  }

  async #write (...pieces: Uint8Array[]): Promise<void> {
    const { stdin } = this.#program
    try {
      if (stdin.destroyed) throw new Error('the file transfer has ended')
      const isTaken = pieces.map(piece => stdin.write(piece)).at(-1)
      if (!isTaken) await inTime(once(stdin, 'drain'))
    } catch (cause) {
      if (stdin.destroyed) await this.line(Type.Never()) // it may have reported why it stopped reading
      throw failure('WRITER_FAILED', { cause })
    }
  }

  /** The program's next line, within `ms`. @throws {Ex10Error} the program's error, or EX10_WRITER_FAILED when the line is malformed */
  async line<Schema extends TSchema> (schema: Schema, ms = STALL_MS): Promise<Static<Schema>> {
    const said = await this.#nextLine(ms).catch((cause: unknown) => { throw failure('WRITER_FAILED', { cause }) })
    if (Value.Check(schema, said)) return said
    throw errorOf(said)
  }

  async #nextLine (ms: number): Promise<unknown> {
    let end = this.#rest.indexOf('\n')
    while (end === -1) {
      const piece = await this.#next(ms)
      if (!piece || this.#rest.length + piece.length > LINE_BYTES) throw new Error('the file transfer ended, or its line is too long')
      const from = this.#rest.length
      this.#rest = Buffer.concat([this.#rest, piece])
      end = this.#rest.indexOf('\n', from)
    }
    const line = this.#rest.toString('utf8', 0, end)
    this.#rest = this.#rest.subarray(end + 1)
    return JSON.parse(line)
  }

  /** The bytes after the lines, exactly `size` of them. */
  async * bytes (size: number): AsyncGenerator<Buffer, void, undefined> {
    let piece: Buffer | undefined = this.#rest
    for (let left = size; left > 0; piece = await this.#next()) {
      if (!piece || piece.length > left) throw failure('WRITER_FAILED')
      left -= piece.length
      if (piece.length > 0) yield piece
    }
  }

  async #next (ms = STALL_MS): Promise<Buffer | undefined> {
    const { value, done } = await inTime(this.#pieces.next(), ms)
    return done ? undefined : value
  }

  /** Ends the transfer. Resolves when neither the program nor its folder is left. */
  async end (): Promise<void> {
    await this.#program.end(END_MS)
    if (this.#program.wasKilled) await sweep(this.#enter).catch(() => {}) // else the next transfer sweeps, or the session has ended
  }
}

/** Removes the folders of killed transfers. */
async function sweep (enter: Enter): Promise<void> {
  const program = await enter(pythonArgv(FILES, '{"do":"sweep"}'), { timeoutMs: STALL_MS })
  try {
    await text(program.stdout)
  } finally {
    await program.kill()
  }
}

/** Resolves like the promise; rejects after `ms`. */
async function inTime<T> (promise: Promise<T>, ms = STALL_MS): Promise<T> {
  const { promise: stalled, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('the file transfer made no progress')), ms)
  try {
    return await Promise.race([promise, stalled])
  } finally {
    clearTimeout(timer)
  }
}

/** The error that the program reports. The report is untrusted, so only known names pass. */
function errorOf (said: unknown): Ex10Error {
  const { error, path } = Object(said) as { error?: unknown, path?: unknown }
  const known = typeof error === 'string' && isPathError(error) ? error : ERRORS.find(name => name === error)
  const details = typeof path === 'string' && path !== '' ? { details: { filePath: path.slice(0, 200).toWellFormed() } } : {}
  return failure(known ?? 'WRITER_FAILED', details)
}
