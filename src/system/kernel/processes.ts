import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import { textNow, textOf } from './gone.ts'
import { quickly } from './quickly.ts'

/** Identifies a process, also against a later one with the same pid. `startTime` is in clock ticks since boot. */
export interface ProcessId { pid: number, startTime: number }

/** Parses a line of /proc/PID/stat (proc(5)); the command's name may hold spaces and parentheses. */
export function parseStat (line: string): ProcessId & { state: string } {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { pid: parseInt(line, 10), state: fields[0] ?? '', startTime: Number(fields[19]) }
}

/** Tells whether this very process runs. A zombie does not run. */
export async function isAlive (known: ProcessId): Promise<boolean> {
  return isThat(known, await textOf(`/proc/${known.pid}/stat`))
}

/** Like `isAlive`, but synchronous. */
export function isAliveNow (known: ProcessId): boolean {
  return isThat(known, textNow(`/proc/${known.pid}/stat`))
}

function isThat (known: ProcessId, line: string | undefined): boolean {
  if (line === undefined) return false
  const { state, startTime } = parseStat(line)
  return startTime === known.startTime && state !== 'Z' && state !== 'X'
}

/** Sends a signal to a process, if it still exists. */
export function kill (pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The pids of all processes with this uid as real, effective or saved one, zombies left out. */
export async function processesOf (uid: number): Promise<number[]> {
  await readOwners()
  return owners.get(uid) ?? []
}

/** The pids of each uid. */
let owners = new Map<number, number[]>()

/** Reads every process of the machine. Sessions that end side by side share one reading, which begins after their calls. */
const readOwners = coalesce(async () => {
  const read = new Map<number, number[]>()
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const status = await textOf(`/proc/${pid}/status`) ?? ''
    if (/^State:\t[ZX]/m.test(status)) continue
    const uids = /^Uid:\t(\d+)\t(\d+)\t(\d+)/m.exec(status)?.slice(1).map(Number) ?? []
    for (const uid of new Set(uids)) {
      if (!read.get(uid)?.push(Number(pid))) read.set(uid, [Number(pid)])
    }
  }
  owners = read
})

/** The argv of every process of root. Sessions choose the argv and the number of their own processes, so those are left out. */
export async function commandLines (): Promise<string[][]> {
  const found: string[][] = []
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const uid = await quickly(() => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid)
    if (uid === 0) found.push((textNow(`/proc/${pid}/cmdline`) ?? '').split('\0'))
  }
  return found
}

/** The pids of a process's children. */
export async function childrenOf (pid: number): Promise<number[]> {
  return (await textOf(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number)
}

/** Calls `probe` every `everyMs` until it returns true. Rejects with the signal's reason. */
export async function until (probe: () => Promise<boolean> | boolean, signal: AbortSignal, everyMs = 5): Promise<void> {
  while (!await probe()) {
    signal.throwIfAborted()
    await delay(everyMs)
  }
}
