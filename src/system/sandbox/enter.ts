import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { childrenOf, isAlive, kill, until } from '#system/kernel/processes.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { confined, readGroups, readInit } from './sandbox.ts'

/** Options of a program that enters a sandbox. */
export interface EnterOptions {
  /** Added to the account's basic environment, which is the program's whole environment otherwise. */
  env?: Record<string, string>
  /** Working folder, by its path in the sandbox, entered with the account; `/` unless given. */
  cwd?: string
  /** Ends the program when it aborts. */
  signal?: AbortSignal
  /** Time limit of the program; none unless given. */
  timeoutMs?: number
  /** After the signal or the time limit its pipes are closed. The program has this time to end by itself before it is killed; 0 unless given. */
  graceMs?: number
}

/** Starts a program in the sandbox of one session. */
export type Enter = (argv: readonly string[], options?: EnterOptions) => Promise<EnteredProgram>

/** The end of a program: either an exit code or a signal. */
export interface Ended { exitCode: number | null, signal: NodeJS.Signals | null }

const ENTER = fileURLToPath(new URL('enter.sh', import.meta.url))
const KILL_MS = 1000

/**
 * Starts a program in the sandbox with this root-owned folder: as the session's account, in the sandbox's namespaces and
 * cgroups, hardened like all programs there. It may bind no port. It ends with the sandbox, and does not keep this process
 * alive. Its pipes are ready when the promise resolves. Its standard error is dropped.
 * @throws {Error} when the sandbox is gone; the reason of a signal that has aborted
 */
export async function enterSandbox (dir: string, account: Account, argv: readonly string[], options: EnterOptions = {}): Promise<EnteredProgram> {
  const { env, cwd, signal, timeoutMs, graceMs = 0 } = options
  signal?.throwIfAborted()
  const init = await readInit(dir)
  if (!init || !await isAlive(init)) throw new Error('the sandbox is gone')
  // setsid: the program leads a process group, and is killed with all its children
  const child = spawn('sh', [ENTER, String(init.pid), ...await readGroups(dir), '--', '--', 'setsid', ...confined(account, argv, env, cwd)],
    { env: CLEAN_ENV, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
  if (!child.pid) await once(child, 'spawn') // not started: rejects with the reason
  child.unref()
  const program = new EnteredProgram(child)
  const limits = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter(limit => limit !== undefined)
  if (limits.length === 0) return program
  const over = AbortSignal.any(limits)
  const end = () => { program.end(graceMs, over.reason).catch(() => {}) } // a program that cannot be killed ends with the sandbox
  over.addEventListener('abort', end)
  child.once('close', () => over.removeEventListener('abort', end))
  if (over.aborted) end()
  return program
}

/**
 * A program in a sandbox, with pipes to this server. The session may kill it, stop it, or answer in its place: its output is
 * untrusted, and must be bounded and checked.
 */
export class EnteredProgram {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Resolves when the program has ended; never rejects. */
  readonly ended: Promise<Ended>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  #wasKilled = false

  constructor (child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child
    this.stdin = child.stdin
    this.stdout = child.stdout
    this.ended = new Promise(resolve => child.once('exit', (exitCode, signal) => resolve({ exitCode, signal })))
    child.on('error', () => {}) // such as a kill that fails
    child.stdin.on('error', () => {}) // it ended while being written to: reading its answer fails, which is handled
    child.stdout.on('error', () => {}) // its reader gets the error
  }

  get isRunning (): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Whether `kill` was needed: the program may have left things half-done. */
  get wasKilled (): boolean {
    return this.#wasKilled
  }

  /**
   * Closes the program's pipes, at which the server's own programs end. With a reason, readers and writers get it as an error.
   * Does not kill the program: from here only the nsenter that waits for it could be killed, and then the machine's init
   * would have to reap the program before the sandbox could be seen dead.
   */
  letGo (reason?: Error): void {
    this.#closePipes(reason)
    this.#child.kill('SIGCONT') // the nsenter stopped when the session stopped the program, which continues with it
  }

  #closePipes (reason?: Error): void {
    this.stdin.destroy(reason)
    this.stdout.destroy(reason)
  }

  /** Closes the program's pipes. Kills the program if it has not ended after `graceMs`. Resolves when it has ended. */
  async end (graceMs: number, reason?: Error): Promise<void> {
    if (graceMs === 0) return await this.kill(reason)
    this.letGo(reason)
    if (this.isRunning) await once(this.#child, 'exit', { signal: AbortSignal.timeout(graceMs) }).catch(() => this.kill())
  }

  /** Kills the program and its process group. A stopped program is killed before its nsenter continues: it could end first, and leave its children. */
  async kill (reason?: Error): Promise<void> {
    this.#closePipes(reason)
    const { pid } = this.#child
    if (!pid || !this.isRunning) return
    this.#wasKilled = true
    const isOver = async () => {
      for (const child of await childrenOf(pid)) {
        kill(-child) // the group, once the program leads one
        kill(child) // its nsenter reaps it
      }
      this.#child.kill('SIGCONT') // the nsenter may have stopped only now, with the program
      return !this.isRunning
    }
    await until(isOver, AbortSignal.timeout(KILL_MS)).catch(() => {}) // the session's teardown kills it
  }
}
