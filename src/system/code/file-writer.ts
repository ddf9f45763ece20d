import type { Readable } from 'node:stream'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { failure, isPathError } from '#errors.ts'
import type { FileChange } from '#domain/code/file-changes.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Enter, EnteredProgram } from '#system/sandbox/enter.ts'
import { programText, pythonArgv } from './session-program.ts'

/** Options of a push as a whole. */
export interface PushOptions {
  /** The transfer in whose folder the staged files are. */
  transfer?: string
  /** Deletes all files below the base that are not among the changes, except in folders of these names that hold none of the changes. */
  allBut?: readonly string[]
}

const PROGRAM = programText('file-paths.py', 'file-writer.py')
const ANSWER_BYTES = 16_384
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
const Answer = Type.Union([Pushed, Type.Object({ error: Type.String({ maxLength: 64 }), path: Type.String() })])

/**
 * Writes files into one session's home, as its user and inside its sandbox; see file-writer.py. Its process is
 * started at the first push, and again after it has died. Pushes are written one after another.
 */
export class FileWriter {
  readonly #enter: Enter
  #program: EnteredProgram | undefined
  readonly #inTurn = newQueue()
  #isStopped = false
  #changed = 0

  /** `enter` leads into the session's sandbox. */
  constructor (enter: Enter) {
    this.#enter = enter
  }

  /** The number of files that pushes have written and deleted. */
  get changed (): number {
    return this.#changed
  }

  /**
   * Makes all of the changes or none. Their paths are relative to `base`, and `base` is relative to the home ('' is the home).
   * @throws {Ex10Error} EX10_PATH_…, EX10_PRECONDITION_FAILED, EX10_DISK_FULL, EX10_TOO_MANY_FILES, or
   * EX10_WRITER_FAILED when it did not answer in 10 s and 3 ms a file
   */
  push (base: string, changes: FileChange[], options: PushOptions = {}): Promise<Pushed> {
    return this.#inTurn(() => this.#push(base, changes, options))
  }

  /** Resolves when all pushes from before the call have been written or have failed. */
  async written (): Promise<void> {
    await this.#inTurn(async () => {})
  }

  /** Ends the process. */
  stop (): void {
    this.#isStopped = true
    this.#program?.letGo()
    this.#program = undefined
  }

  async #push (base: string, changes: FileChange[], { transfer, allBut }: PushOptions): Promise<Pushed> {
    const request = { base, files: changes.map(toFile), transfer, ...(allBut && { sync: true, keep: allBut }) }
    const answer = await this.#askOrGoBack(JSON.stringify(request) + '\n', ANSWER_MS + ANSWER_MS_EACH * changes.length)
    if ('ok' in answer) this.#changed += answer.written + answer.deleted
    if ('ok' in answer) return { made: answer.made, written: answer.written, deleted: answer.deleted }
    const details = { filePath: changes.find(change => change.path === answer.path)?.path }
    const { error } = answer
    if (isPathError(error) || error === 'DISK_FULL' || error === 'PRECONDITION_FAILED' || error === 'TOO_MANY_FILES') throw failure(error, { details })
    throw failure('WRITER_FAILED', { details })
  }

  /** Replaces a writer that was killed half-way, or does not answer, by a new one, which rolls back the unfinished push. */
  async #askOrGoBack (request: string, ms: number) {
    try {
      return await this.#ask(request, ms)
    } catch (cause) {
      await this.#kill()
      await this.#ask(NOTHING, ANSWER_MS).catch(() => this.#kill()) // if that fails now, the next push's writer rolls back
      throw failure('WRITER_FAILED', { cause })
    }
  }

  async #ask (request: string, ms: number) {
    const program = await this.#running()
    program.stdin.write(request)
    const answer: unknown = JSON.parse(await readLine(program.stdout, AbortSignal.timeout(ms)))
    if (!Value.Check(Answer, answer)) throw new Error('the file writer gave a malformed answer')
    return answer
  }

  async #kill (): Promise<void> {
    const program = this.#program
    this.#program = undefined
    await program?.kill()
  }

  async #running (): Promise<EnteredProgram> {
    if (this.#isStopped) throw new Error('the session is ending')
    if (this.#program && this.#program.isRunning && !this.#program.stdout.destroyed) return this.#program
    const program = await this.#enter(pythonArgv(PROGRAM))
    this.#program = program
    return program
  }
}

/** The change in the form of the program's request. */
function toFile (change: FileChange) {
  const { path, ifMatch, ifNoneMatch } = change
  const asked = { path, ifMatch, ifNoneMatch }
  if ('staged' in change) return { ...asked, staged: change.staged }
  if ('content' in change) return { ...asked, content: change.content.toString('base64') }
  return { ...asked, delete: true, ifExists: change.ifExists }
}

/** Reads one line of at most 16 KiB. */
async function readLine (stream: Readable, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const onData = (chunk: Buffer) => {
    text += chunk.toString()
    if (text.length > ANSWER_BYTES) reject(new Error('the answer is too long'))
    else if (text.endsWith('\n') && text.indexOf('\n') === text.length - 1) resolve(text.slice(0, -1))
    else if (text.includes('\n')) reject(new Error('the file writer sent more than one line'))
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
