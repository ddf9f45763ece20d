import { readFileSync } from 'node:fs'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { failure, isPathError } from '../errors.ts'
import type { FileChange } from '../domain/file-changes.ts'
import { newQueue } from '../domain/queue.ts'
import type { Account } from '../domain/session.ts'
import { childrenOf, kill, until } from './processes.ts'
import { enterSandbox } from './sandbox.ts'

type Child = ChildProcessByStdio<Writable, Readable, null>

const PROGRAM = readFileSync(fileURLToPath(new URL('./file-writer.py', import.meta.url)), 'utf8')
const ANSWER_BYTES = 16_384
const ANSWER_MS = 10_000
const KILL_MS = 1000
/** Whoever starts goes back by the journal of the one before; asked for nothing, it does nothing else. */
const NOTHING = '{"base":"","files":[]}\n'

/** The writer runs as the session's user: the session may kill it or answer in its place, so its word is checked. */
const Answer = Type.Union([
  Type.Object({ ok: Type.Literal(true) }),
  Type.Object({ error: Type.String({ maxLength: 64 }), path: Type.String() })
])

/**
 * Writes files into one session's home, as its user and inside its sandbox; see file-writer.py. Its process is
 * started at the first push and again whenever it died. Pushes are done one after another.
 */
export class FileWriter {
  readonly #dir: string
  readonly #account: Account
  #child: Child | undefined
  readonly #inTurn = newQueue()
  #isStopped = false

  /** `dir` is the session's root-owned folder. */
  constructor (dir: string, account: Account) {
    this.#dir = dir
    this.#account = account
  }

  /**
   * Makes all of the changes or none. Their paths are relative to `base`, and that to the home, which is ''.
   * @throws {Ex10Error} EX10_PATH_…, EX10_DISK_FULL, or EX10_WRITER_FAILED when it did not answer in 10 s
   */
  push (base: string, changes: FileChange[]): Promise<void> {
    return this.#inTurn(() => this.#push(base, changes))
  }

  /**
   * Ends the process, by closing its input. It is not killed: what could be killed from here is the nsenter that waits
   * for it, and without that, the machine's init would have to reap it before the sandbox could be seen dead.
   */
  stop (): void {
    this.#isStopped = true
    this.#letGo()
  }

  #letGo (): void {
    this.#child?.stdin.destroy()
    this.#child?.stdout.destroy()
    this.#child?.kill('SIGCONT') // it stopped when the session stopped the writer
    this.#child = undefined
  }

  async #push (base: string, changes: FileChange[]): Promise<void> {
    const files = changes.map(({ path, content }) => content ? { path, content: content.toString('base64') } : { path, delete: true })
    const answer = await this.#askOrGoBack(JSON.stringify({ base, files }) + '\n')
    if ('ok' in answer) return
    const details = { filePath: changes.find(change => change.path === answer.path)?.path }
    if (answer.error === 'DISK_FULL') throw failure('DISK_FULL', { details })
    if (isPathError(answer.error)) throw failure(answer.error, { details })
    throw failure('WRITER_FAILED', { details })
  }

  /** A writer that was killed half-way, or does not answer, is replaced by one that undoes what it had begun. */
  async #askOrGoBack (request: string) {
    try {
      return await this.#ask(request)
    } catch (cause) {
      await this.#kill()
      await this.#ask(NOTHING).catch(() => this.#kill()) // if it cannot now, the next push's writer does
      throw failure('WRITER_FAILED', { cause })
    }
  }

  async #ask (request: string) {
    const child = await this.#running()
    child.stdin.write(request)
    const answer: unknown = JSON.parse(await readLine(child.stdout, AbortSignal.timeout(ANSWER_MS)))
    if (!Value.Check(Answer, answer)) throw new Error('the file writer\'s answer makes no sense')
    return answer
  }

  /** Kills the process for good: one that was only stopped would go on later, beside its successor. */
  async #kill (): Promise<void> {
    const child = this.#child
    this.#letGo()
    if (!child?.pid) return
    for (const pid of await childrenOf(child.pid)) kill(pid) // its nsenter reaps it
    await until(() => child.exitCode !== null || child.signalCode !== null, AbortSignal.timeout(KILL_MS)).catch(() => {}) // the session's teardown sees to it
  }

  async #running (): Promise<Child> {
    if (this.#isStopped) throw new Error('the session is ending')
    if (this.#child?.exitCode === null && this.#child.signalCode === null && !this.#child.stdout.destroyed) return this.#child
    const child = await enterSandbox(this.#dir, this.#account, ['python3', '-I', '-S', '-c', PROGRAM])
    child.on('error', () => {}) // not started: reading its answer fails, which is handled
    child.stdin.on('error', () => {}) // died while being written to: likewise
    child.unref()
    this.#child = child
    return child
  }
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
