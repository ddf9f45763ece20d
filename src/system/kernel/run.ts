import { spawn } from 'node:child_process'

/** The whole environment of our child processes. */
export const CLEAN_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' }

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

export interface RunOptions {
  input?: string
  signal?: AbortSignal
  timeoutMs?: number
  cwd?: string
}

/** A command could not be started, died, or exited with a code other than 0. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly command: string
  readonly exitCode: number | null
  readonly stderr: string
  /** ENOSPC when the command reports a full disk; Node's own errors have the same codes. */
  readonly code: string | undefined

  constructor (command: string, exitCode: number | null, stderr: string, cause?: unknown) {
    super(`${command} ${exitCode === null ? 'died or could not start' : `exited with ${exitCode}`}: ${stderr.trim().slice(-500) || (cause as Error | undefined)?.message || 'no output'}`, { cause })
    this.command = command
    this.exitCode = exitCode
    this.stderr = stderr
    this.code = /no space left on device/i.test(stderr) ? 'ENOSPC' : undefined
  }
}

/**
 * Runs a command, without a shell, and resolves with its standard output. The command is killed after `timeoutMs` (10 s),
 * when `signal` aborts, or when it prints more than 16 MiB.
 * @throws {CommandFailed}, or the signal's reason
 */
export async function run (argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const [command, ...args] = argv
  const signals = [AbortSignal.timeout(options.timeoutMs ?? 10_000), options.signal].filter(signal => signal !== undefined)
  const signal = AbortSignal.any(signals)
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(command, args, { env: CLEAN_ENV, cwd: options.cwd ?? '/', signal, killSignal: 'SIGKILL', stdio: 'pipe' })
  child.on('error', cause => reject(signal.aborted ? signal.reason : new CommandFailed(command, null, '', cause)))
  if (!child.pid) return promise // without a free descriptor in this server, the child has no streams
  const output: Buffer[] = []
  const errors: Buffer[] = []
  let bytes = 0
  const collect = (into: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_OUTPUT_BYTES) child.kill('SIGKILL')
    else into.push(chunk)
  }
  child.stdout.on('data', collect(output))
  child.stderr.on('data', collect(errors))
  child.stdin.on('error', () => {}) // when a command exits without reading its input, its exit code tells
  child.on('close', exitCode => {
    if (exitCode === 0) resolve(Buffer.concat(output).toString())
    else reject(new CommandFailed(command, exitCode, Buffer.concat(errors).toString()))
  })
  child.stdin.end(options.input)
  return promise
}
