import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { childrenOf, isAlive, kill, until } from '#system/kernel/processes.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { confined, readGroups, readInit } from './sandbox.ts'

/** How a program runs that enters a sandbox. */
export interface EnterOptions {
  /** Added to the account's basic environment, which is all that the program has otherwise. */
  env?: Record<string, string>
  /** Working folder by its name in the sandbox, entered as the account; `/` unless given. */
  cwd?: string
  /** Ends the program when it aborts. */
  signal?: AbortSignal
  /** Ends the program after so long; no limit unless given. */
  timeoutMs?: number
  /** How long the program may take to end by itself, its pipes closed, before the signal or the time limit kills it; 0 unless given. */
  graceMs?: number
}

/** Starts a program in the sandbox of one session. */
export type Enter = (argv: readonly string[], options?: EnterOptions) => Promise<EnteredProgram>

/** How a program ended: one of the two. */
export interface Ended { exitCode: number | null, signal: NodeJS.Signals | null }

const ENTER = fileURLToPath(new URL('enter.sh', import.meta.url))
const KILL_MS = 1000

/**
 * Starts a program in the sandbox with this root-owned folder: as the session's account, in the sandbox's namespaces and
 * cgroups, hardened as all that runs there. It may bind no port. It dies with the sandbox, and does not keep this process
 * alive. Its pipes are ready when the promise resolves; what it prints on its standard error is dropped.
 * @throws {Error} when the sandbox is gone; the reason of a signal that has aborted
 */
export async function enterSandbox (dir: string, account: Account, argv: readonly string[], options: EnterOptions = {}): Promise<EnteredProgram> {
  const { env, cwd, signal, timeoutMs, graceMs = 0 } = options
  signal?.throwIfAborted()
  const init = await readInit(dir)
  if (!init || !await isAlive(init)) throw new Error('the sandbox is gone')
  // setsid: the program leads a process group, and is killed with all that it has started
  const child = spawn('sh', [ENTER, String(init.pid), ...await readGroups(dir), '--', '--', 'setsid', ...confined(account, argv, env, cwd)],
    { env: CLEAN_ENV, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
  if (!child.pid) await once(child, 'spawn') // it was not started: rejects with the reason
  child.unref()
  const program = new EnteredProgram(child)
  const limits = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter(limit => limit !== undefined)
  if (limits.length === 0) return program
  const over = AbortSignal.any(limits)
  const end = () => { program.end(graceMs, over.reason).catch(() => {}) } // what cannot be killed dies with the sandbox
  over.addEventListener('abort', end)
  child.once('close', () => over.removeEventListener('abort', end))
  if (over.aborted) end()
  return program
}

/**
 * A program in a sandbox, with pipes to this server. The session may kill it, stop it, or answer in its place: what it
 * says is the session's word, and must be bounded and checked.
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
    child.stdin.on('error', () => {}) // it died while being written to: reading its answer fails, which is handled
    child.stdout.on('error', () => {}) // its reader hears of it
  }

  get isRunning (): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Whether `kill` was needed: the program may have left things half-done. */
  get wasKilled (): boolean {
    return this.#wasKilled
  }

  /**
   * Closes the program's pipes, at which those of ours end; with a reason, its readers and writers get that as an error.
   * It is not killed: what could be killed from here is the nsenter that waits for it, and without that, the machine's
   * init would have to reap it before the sandbox could be seen dead.
   */
  letGo (reason?: Error): void {
    this.stdin.destroy(reason)
    this.stdout.destroy(reason)
    this.#child.kill('SIGCONT') // it stopped when the session stopped the program
  }

  /** Lets the program go and resolves when it has ended; what has not after `graceMs` is killed. */
  async end (graceMs: number, reason?: Error): Promise<void> {
    this.letGo(reason)
    if (!this.isRunning) return
    if (graceMs === 0) await this.kill()
    else await once(this.#child, 'exit', { signal: AbortSignal.timeout(graceMs) }).catch(() => this.kill())
  }

  /** Kills the program and its process group for good: one that was only stopped would go on later. */
  async kill (): Promise<void> {
    this.letGo()
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
    await until(isOver, AbortSignal.timeout(KILL_MS)).catch(() => {}) // the session's teardown sees to it
  }
}
