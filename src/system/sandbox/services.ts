import { constants, existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, open, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ifGone, textOf } from '#system/kernel/gone.ts'
import { isAlive, parseStat, until } from '#system/kernel/processes.ts'
import { PROGRAM_NAMES, type ProgramName } from '#domain/programs/programs.ts'
import { plainText } from '#domain/machine/plain-text.ts'
import { quickly } from '#system/kernel/quickly.ts'
import { run } from '#system/kernel/run.ts'
import { confined, readInit } from './sandbox.ts'
import type { Account } from '#domain/session.ts'

/** A program that s6 keeps running inside a sandbox, as the session's account. */
export interface Service {
  name: ProgramName
  argv: readonly string[]
  env?: Record<string, string>
  /** Working folder; entered with the account. */
  cwd?: string
  /** The program writes to descriptor 3 when it is ready. */
  notifies?: boolean
  /** s6 does not restart it when it ends: the session's supervisor does, after a longer pause each time. */
  once?: boolean
}

const SCRIPTS = fileURLToPath(new URL('.', import.meta.url))
const LOG_FILES = 3
const LOG_BYTES = 1_000_000
const LINE_BYTES = 8192
const LINE_FEED = 10

/**
 * Gives the service to the sandbox's s6 and starts it. Resolves when its program was started or, with `notifies`, when it
 * reports that it is ready. `dir` is the session's root-owned folder.
 */
export async function startService (dir: string, account: Account, service: Service, signal: AbortSignal): Promise<void> {
  await defineService(dir, account, service)
  await run(['s6-svscanctl', '-a', join(dir, 'services')], { signal })
  await until(() => isSupervised(dir, service.name), signal, 2)
  await raiseService(dir, service.name, service.notifies ?? false, signal)
}

/** Starts a service that is down. Resolves when its program was started or, with `notifies`, when it reports that it is ready. */
export async function raiseService (dir: string, name: ProgramName, notifies: boolean, signal: AbortSignal): Promise<void> {
  await run(['s6-svc', notifies ? '-uwU' : '-u', '-T', '20000', serviceDir(dir, name)], { signal, timeoutMs: 21_000 })
}

/** Kills the service's program, which s6 then restarts. */
export async function killService (dir: string, name: ProgramName, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!await tell(dir, name, 'k')) throw new Error(`${name} has no supervisor`)
}

/** Kills the service's program and leaves the service down. Resolves when it is down. */
export async function downService (dir: string, name: ProgramName, signal: AbortSignal): Promise<void> {
  await run(['s6-svc', '-dkwD', '-T', '5000', serviceDir(dir, name)], { signal })
}

/** Leaves the service's program down when `ask` has made it end. @throws {CommandFailed} when it has not ended after 2 s; the error of `ask` */
export async function endService (dir: string, name: ProgramName, ask: () => Promise<void>, signal: AbortSignal): Promise<void> {
  await stopService(dir, name, true, signal)
  await ask()
  await run(['s6-svwait', '-D', '-t', '2000', serviceDir(dir, name)], { signal })
}

/**
 * Orders s6 not to restart the service and, unless `quietly`, the program to end. Does not wait for the end: the kill of
 * the sandbox does.
 */
export async function stopService (dir: string, name: ProgramName, quietly: boolean, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await tell(dir, name, quietly ? 'O' : 'd')
}

/** The services that s6 was given, in the order of the table. Synchronous, because supervision reads it when it begins. */
export function definedServices (dir: string): ProgramName[] {
  return PROGRAM_NAMES.filter(name => existsSync(serviceDir(dir, name)))
}

/** Whether the service's program runs. */
export async function isServiceUp (dir: string, name: ProgramName): Promise<boolean> {
  return await readPid(dir, name) !== undefined
}

/** Whether the service's program was stopped by a signal (SIGSTOP), and does nothing although it exists. */
export async function isServiceStopped (dir: string, name: ProgramName): Promise<boolean> {
  const [init, pid] = await Promise.all([readInit(dir), readPid(dir, name)])
  if (!init || pid === undefined || !await isAlive(init)) return false
  // the sandbox's own /proc, by its init: s6's pids are those of the sandbox
  const line = await textOf(`/proc/${init.pid}/root/proc/${pid}/stat`)
  return line !== undefined && ['T', 't'].includes(parseStat(line).state)
}

/**
 * The service's pid inside the sandbox, while its program runs: from the status file of s6 2.11 (s6_svstatus_unpack), 12
 * bytes of time, 12 of readiness, 8 of pid, 2 of exit status, 1 of flags. Running s6-svstat would cost one process for each read.
 */
async function readPid (dir: string, name: ProgramName): Promise<number | undefined> {
  const status = await quickly(() => readFileSync(join(serviceDir(dir, name), 'supervise', 'status'))).catch(ifGone())
  if (status?.length !== 35) return undefined
  const isFinishing = ((status[34] ?? 0) & 2) !== 0
  return isFinishing ? undefined : Number(status.readBigUInt64BE(24)) || undefined
}

/** The last lines of a service's output, each cut at `lineBytes` and without control characters, because they are text of the session. */
export async function readLog (dir: string, name: ProgramName, tail: number, lineBytes = LINE_BYTES): Promise<string[]> {
  const logs = join(dir, 'logs', name)
  const rotated = (await readdir(logs).catch(ifGone()) ?? []).filter(file => file.startsWith('@')).sort().at(-1)
  const files = [rotated, 'current'].filter(file => file !== undefined)
  const parts = await Promise.all(files.map(file => readFile(join(logs, file)).catch(ifGone())))
  return lastLines(Buffer.concat(parts.filter(part => part !== undefined)), tail).map(line => plainText(line, lineBytes))
}

/** The last lines, each decoded by itself: a slice of one decoded text would keep the whole text in memory. */
function lastLines (bytes: Buffer, count: number): string[] {
  const lines: string[] = []
  let end = bytes.at(-1) === LINE_FEED ? bytes.length - 1 : bytes.length
  while (bytes.length > 0 && end >= 0 && lines.length < count) {
    const start = end === 0 ? 0 : bytes.lastIndexOf(LINE_FEED, end - 1) + 1
    lines.unshift(bytes.toString('utf8', start, end))
    end = start - 1
  }
  return lines
}

function serviceDir (dir: string, name: ProgramName): string {
  return join(dir, 'services', name)
}

/** Whether s6-supervise reads the service's control pipe and has written its first status. */
async function isSupervised (dir: string, name: ProgramName): Promise<boolean> {
  return await tell(dir, name, '') && await textOf(join(serviceDir(dir, name), 'supervise', 'status')) !== undefined
}

/**
 * Writes orders to the service's supervisor, one letter each, as s6-svc(8) does. Starts no process: beside a session that
 * forks without end, that can take seconds. Returns false when no supervisor reads the pipe.
 */
async function tell (dir: string, name: ProgramName, orders: string): Promise<boolean> {
  try {
    const pipe = await open(join(serviceDir(dir, name), 'supervise', 'control'), constants.O_WRONLY | constants.O_NONBLOCK)
    try {
      if (orders) await pipe.write(orders)
    } finally {
      await pipe.close()
    }
    return true
  } catch (error) {
    if (['ENOENT', 'ENXIO', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

async function defineService (dir: string, account: Account, service: Service): Promise<void> {
  const made = join(dir, `.${service.name}`) // made under another name and renamed, because s6 may scan the folder at any time
  const logs = join(dir, 'logs', service.name)
  await mkdir(join(made, 'log'), { recursive: true, mode: 0o700 })
  await mkdir(logs, { mode: 0o700 })
  await Promise.all([
    copyFile(join(SCRIPTS, 'run.sh'), join(made, 'run')),
    copyFile(join(SCRIPTS, 'run.sh'), join(made, 'log', 'run')),
    copyFile(join(SCRIPTS, 'finish.sh'), join(made, 'finish')),
    writeWords(join(made, 'argv'), confined(account, service.argv, service.env, service.cwd)),
    writeWords(join(made, 'log', 'argv'), ['s6-log', '-b', `n${LOG_FILES}`, `s${LOG_BYTES}`, 'T', logs]),
    writeFile(join(made, 'down'), ''),
    service.notifies && writeFile(join(made, 'notification-fd'), '3\n'),
    service.once && writeFile(join(made, 'once'), '')
  ])
  await rename(made, serviceDir(dir, service.name))
}

async function writeWords (path: string, words: readonly string[]): Promise<void> {
  if (words.some(word => word.includes('\n'))) throw new Error('a service\'s argv cannot hold a line break')
  await writeFile(path, words.map(word => word + '\n').join(''))
}
