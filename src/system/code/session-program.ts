import { readFileSync } from 'node:fs'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { childrenOf, kill, until } from '#system/kernel/processes.ts'
import { enterSandbox } from '#system/sandbox/sandbox.ts'

/** A program of ours that runs in a sandbox as the session's user: the session may kill it, or answer in its place. */
export type SessionProgram = ChildProcessByStdio<Writable, Readable, null>

const KILL_MS = 1000

/** The text of a program: a session cannot read our folder, so it gets the files as one, in this order. */
export function programText (...files: string[]): string {
  return files.map(file => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')).join('')
}

/** Starts the Python program in the sandbox with this root-owned folder. */
export async function startProgram (dir: string, account: Account, program: string, ...args: string[]): Promise<SessionProgram> {
  const child = await enterSandbox(dir, account, ['python3', '-I', '-S', '-c', program, ...args])
  child.on('error', () => {}) // not started: reading its answer fails, which is handled
  child.stdin.on('error', () => {}) // died while being written to: likewise
  child.unref()
  return child
}

export function isRunning ({ exitCode, signalCode }: SessionProgram): boolean {
  return exitCode === null && signalCode === null
}

/**
 * Ends the program, by closing its input. It is not killed: what could be killed from here is the nsenter that waits
 * for it, and without that, the machine's init would have to reap it before the sandbox could be seen dead.
 */
export function letGo (program: SessionProgram): void {
  program.stdin.destroy()
  program.stdout.destroy()
  program.kill('SIGCONT') // it stopped when the session stopped the program
}

/** Kills the program for good: one that was only stopped would go on later. */
export async function killProgram (program: SessionProgram): Promise<void> {
  letGo(program)
  const { pid } = program
  if (!pid) return
  const isOver = async () => {
    for (const child of await childrenOf(pid)) kill(child) // its nsenter reaps it
    program.kill('SIGCONT') // which may have stopped only now, with the program
    return !isRunning(program)
  }
  await until(isOver, AbortSignal.timeout(KILL_MS)).catch(() => {}) // the session's teardown sees to it
}
