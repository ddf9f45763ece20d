import type { Readable } from 'node:stream'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { failure, isPathError } from '#errors.ts'
import type { FileChange } from '#domain/code/file-changes.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Account } from '#domain/session.ts'
import { isRunning, killProgram, letGo, programText, startProgram, type SessionProgram } from './session-program.ts'

/** What goes for a push as a whole. */
export interface PushOptions {
  /** The transfer in whose folder the staged files are. */
  transfer?: string
  /** Deletes what is below the base and not among the changes, except folders of such names that have none of them in it. */
  allBut?: readonly string[]
}

const PROGRAM = programText('file-paths.py', 'file-writer.py')
const ANSWER_BYTES = 16_384
const ANSWER_MS = 10_000
const ANSWER_MS_EACH = 3
/** Whoever starts goes back by the journal of the one before; asked for nothing, it does nothing else. */
const NOTHING = '{"base":"","files":[]}\n'

const Pushed = Type.Object({
  ok: Type.Literal(true),
  made: Type.Integer({ minimum: 0, description: 'Files written that were not there' }),
  written: Type.Integer({ minimum: 0 }),
  deleted: Type.Integer({ minimum: 0 })
})
/** How many files a push changed. */
export type Pushed = Omit<Static<typeof Pushed>, 'ok'>

/** The session may answer in the writer's place, so its word is checked. */
const Answer = Type.Union([Pushed, Type.Object({ error: Type.String({ maxLength: 64 }), path: Type.String() })])

/**
 * Writes files into one session's home, as its user and inside its sandbox; see file-writer.py. Its process is
 * started at the first push and again whenever it died. Pushes are done one after another.
 */
export class FileWriter {
  readonly #dir: string
  readonly #account: Account
  #program: SessionProgram | undefined
  readonly #inTurn = newQueue()
  #isStopped = false

  /** `dir` is the session's root-owned folder. */
  constructor (dir: string, account: Account) {
    this.#dir = dir
    this.#account = account
  }

  /**
   * Makes all of the changes or none. Their paths are relative to `base`, and that to the home, which is ''.
   * @throws {Ex10Error} EX10_PATH_…, EX10_PRECONDITION_FAILED, EX10_DISK_FULL, EX10_TOO_MANY_FILES, or
   * EX10_WRITER_FAILED when it did not answer in 10 s and 3 ms a file
   */
  push (base: string, changes: FileChange[], options: PushOptions = {}): Promise<Pushed> {
    return this.#inTurn(() => this.#push(base, changes, options))
  }

  /** Resolves when what was to be written before the call has been, or could not be. */
  async written (): Promise<void> {
    await this.#inTurn(async () => {})
  }

  /** Ends the process. */
  stop (): void {
    this.#isStopped = true
    if (this.#program) letGo(this.#program)
    this.#program = undefined
  }

  async #push (base: string, changes: FileChange[], { transfer, allBut }: PushOptions): Promise<Pushed> {
    const request = { base, files: changes.map(toFile), transfer, ...(allBut && { sync: true, keep: allBut }) }
    const answer = await this.#askOrGoBack(JSON.stringify(request) + '\n', ANSWER_MS + ANSWER_MS_EACH * changes.length)
    if ('ok' in answer) return { made: answer.made, written: answer.written, deleted: answer.deleted }
    const details = { filePath: changes.find(change => change.path === answer.path)?.path }
    const { error } = answer
    if (isPathError(error) || error === 'DISK_FULL' || error === 'PRECONDITION_FAILED' || error === 'TOO_MANY_FILES') throw failure(error, { details })
    throw failure('WRITER_FAILED', { details })
  }

  /** A writer that was killed half-way, or does not answer, is replaced by one that undoes what it had begun. */
  async #askOrGoBack (request: string, ms: number) {
    try {
      return await this.#ask(request, ms)
    } catch (cause) {
      await this.#kill()
      await this.#ask(NOTHING, ANSWER_MS).catch(() => this.#kill()) // if it cannot now, the next push's writer does
      throw failure('WRITER_FAILED', { cause })
    }
  }

  async #ask (request: string, ms: number) {
    const program = await this.#running()
    program.stdin.write(request)
    const answer: unknown = JSON.parse(await readLine(program.stdout, AbortSignal.timeout(ms)))
    if (!Value.Check(Answer, answer)) throw new Error('the file writer\'s answer makes no sense')
    return answer
  }

  async #kill (): Promise<void> {
    const program = this.#program
    this.#program = undefined
    if (program) await killProgram(program)
  }

  async #running (): Promise<SessionProgram> {
    if (this.#isStopped) throw new Error('the session is ending')
    if (this.#program && isRunning(this.#program) && !this.#program.stdout.destroyed) return this.#program
    const program = await startProgram(this.#dir, this.#account, PROGRAM)
    this.#program = program
    return program
  }
}

/** The change as the program takes it. */
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
    else if (text.includes('\n')) reject(new Error('the file writer says more than it was asked'))
  }
  const onEnd = () => reject(new Error('the file writer ended'))
  const onAbort = () => reject(signal.reason)
  stream.on('data', onData).on('close', onEnd).on('error', reject).resume()
  signal.addEventListener('abort', onAbort)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    // what a session writes into the pipe of its own accord waits there, and costs nobody anything
    stream.pause().off('data', onData).off('close', onEnd).off('error', reject)
  }
}
