import { readFileSync } from 'node:fs'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { childrenOf, kill, until } from '#system/kernel/processes.ts'
import { enterSandbox } from '#system/sandbox/sandbox.ts'

/** A program of ours in a sandbox, with the session's user. The session may kill it, or answer in its place. */
export type SessionProgram = ChildProcessByStdio<Writable, Readable, null>

const KILL_MS = 1000

/** The text of a program: its files joined in this order, because a session cannot read our folder. */
export function programText (...files: string[]): string {
  return files.map(file => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')).join('')
}

/** Starts the Python program in the sandbox with this root-owned folder. */
export async function startProgram (dir: string, account: Account, program: string, ...args: string[]): Promise<SessionProgram> {
  const child = await enterSandbox(dir, account, ['python3', '-I', '-S', '-c', program, ...args])
  child.on('error', () => {}) // it could not start: reading its answer fails, and that is handled
  child.stdin.on('error', () => {}) // it died during a write: likewise
  child.unref()
  return child
}

export function isRunning ({ exitCode, signalCode }: SessionProgram): boolean {
  return exitCode === null && signalCode === null
}

/**
 * Ends the program by closing its input. It is not killed: from here, only the nsenter that waits for it could be killed.
 * Without nsenter, the machine's init would have to reap the program before the sandbox counts as dead.
 */
export function letGo (program: SessionProgram): void {
  program.stdin.destroy()
  program.stdout.destroy()
  program.kill('SIGCONT') // nsenter stops when the session stops the program
}

/** Kills the program: a stopped program does not end when its input closes, and could go on later. */
export async function killProgram (program: SessionProgram): Promise<void> {
  letGo(program)
  const { pid } = program
  if (!pid) return
  const isOver = async () => {
    for (const child of await childrenOf(pid)) kill(child) // its nsenter reaps it
    program.kill('SIGCONT') // nsenter may have stopped only now, with the program
    return !isRunning(program)
  }
  await until(isOver, AbortSignal.timeout(KILL_MS)).catch(() => {}) // the session's teardown kills it
}
