import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Readable } from 'node:stream'
import { continueGroups, createGroups, killGroups, removeGroups, sessionGroups, type CgroupHost, type Limits } from './cgroups.ts'
import { textOf } from '#system/kernel/gone.ts'
import { upTo } from '#system/kernel/rlimits.ts'
import { isAlive, kill, parseStat, processesOf, until, type ProcessId } from '#system/kernel/processes.ts'
import { CLEAN_ENV, run } from '#system/kernel/run.ts'
import type { Account } from '#domain/session.ts'

const SCRIPTS = fileURLToPath(new URL('.', import.meta.url))

/** The PATH of a session's programs. The first folder holds the server's own node. */
export const SESSION_PATH = ['/run/ex10', '/usr/bin', '/bin']

/** Paths inside every sandbox. */
export const IN_SANDBOX = { node: '/run/ex10/node', template: '/run/ex10/template' }

export interface SandboxOptions {
  id: string
  /** Root-owned folder of the session: services, logs, events. */
  dir: string
  account: Account
  /** The node binary and the template's store, which the session sees read-only. */
  node: string
  template: string
  /** The packages that set-up has downloaded from the npm registry, read-only for the session, too. The folder may be missing. */
  npmCache: string
  /** The copy of Chromium's folder that the session keeps (kept-browser.ts); undefined: it sees the folder itself. */
  browser: string | undefined
  /** Folders that the session sees under their own paths, read-only, beside what every session sees (init.py). A missing one is left out. */
  shown: readonly string[]
  cgroups: CgroupHost
  limits: Limits
  /** The TCP ports that the session may bind, enforced when the kernel has Landlock for it. */
  ports: readonly number[]
}

/** The parts of harden.py that this kernel supports. Landlock denies binding other ports than the session's and, from ABI 6, abstract sockets outside. */
export interface Hardening {
  landlock: 'none' | 'bind' | 'bind+abstract'
  seccomp: 'none' | 'filter'
}

/** Hardens a test process like a sandbox, to see which parts are in force. */
export async function detectHardening (): Promise<Hardening> {
  const [landlock, seccomp] = (await run(['/usr/bin/python3', '-I', '-S', join(SCRIPTS, 'harden.py')])).trim().split(' ')
  return { landlock, seccomp } as Hardening
}

/** Makes the sandbox and resolves when its init, s6-svscan, runs. No process of the account exists yet. */
export async function createSandbox (options: SandboxOptions, signal: AbortSignal): Promise<void> {
  const { id, dir, account, node, template, npmCache } = options
  await mkdir(join(dir, 'services'), { recursive: true, mode: 0o700 })
  await mkdir(join(dir, 'logs'), { mode: 0o700 })
  const groups = sessionGroups(options.cgroups, id)
  // a later server may run in other groups, and would expect the session's groups in another place
  await writeFile(join(dir, 'cgroups'), groups.map(group => group + '\n').join(''))
  await createGroups(options.cgroups, id, options.limits)
  const log = await open(join(dir, 'launch.log'), 'a', 0o600)
  try {
    const words = [`dir=${dir}`, `uid=${account.uid}`, `gid=${account.gid}`, `home=${account.home}`, `node=${node}`, `template=${template}`, `npm_cache=${npmCache}`,
      ...options.browser ? [`browser=${options.browser}`] : [], ...options.shown.map(path => `show=${path}`), ...options.ports.map(port => `port=${port}`)]
    const child = spawn('sh', [join(SCRIPTS, 'launch.sh'), SCRIPTS, ...groups, '--', ...words],
      { env: CLEAN_ENV, cwd: '/', detached: true, stdio: ['ignore', log.fd, log.fd, 'pipe'] })
    if (!child.pid) await once(child, 'spawn') // not started: rejects with the reason
    child.unref()
    try {
      await started(child, signal)
    } catch (error) {
      await killLaunch(child) // otherwise it would go on making things that are being undone
      throw error
    }
  } catch (cause) {
    throw new Error(`the sandbox did not start: ${(await readFile(join(dir, 'launch.log'), 'utf8')).slice(-500)}`, { cause })
  } finally {
    await log.close()
  }
}

/** Kills the process that launches the sandbox, and with it the init: each is killed when its parent ends. */
async function killLaunch (child: ReturnType<typeof spawn>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.ref()
  child.kill('SIGKILL')
  await exit
}

/** Resolves at the byte on descriptor 3; rejects when the process ends first. */
async function started (child: ReturnType<typeof spawn>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const ready = child.stdio[3] as Readable
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  child.on('error', reject)
  child.on('exit', (code, killedBy) => reject(new Error(`init ended with ${code ?? killedBy}`)))
  ready.once('data', () => resolve())
  try {
    if (signal.aborted) abort()
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
    ready.destroy()
  }
}

/** The sandbox's init as the host sees it, or undefined when it never started. */
export async function readInit (dir: string): Promise<ProcessId | undefined> {
  const line = await textOf(join(dir, 'init'))
  return line === undefined ? undefined : parseStat(line)
}

/** The folders of the sandbox's cgroups, made or not. */
export async function readGroups (dir: string): Promise<string[]> {
  return (await textOf(join(dir, 'cgroups')) ?? '').split('\n').filter(Boolean)
}

/** Whether the sandbox's init runs. */
export async function isSandboxAlive (dir: string): Promise<boolean> {
  const init = await readInit(dir)
  return init !== undefined && await isAlive(init)
}

/** Identifies a sandbox: its folder, its uid, and the folders of its cgroups. */
export interface SandboxId { dir: string, uid: number, groups: string[] }

/**
 * Kills the init, and with it the kernel kills all processes in its pid namespace. Then kills all remaining processes of the
 * cgroups and of the uid. Resolves when no process of the uid is left on the machine.
 */
export async function killSandbox ({ dir, uid, groups: usual }: SandboxId, signal: AbortSignal): Promise<void> {
  const init = await readInit(dir)
  const groups = await allGroups(dir, usual)
  if (init && await isAlive(init)) {
    kill(init.pid)
    // the nsenter of a file writer stops when the session stops the writer. The init cannot end before that nsenter continues and reaps the writer
    await until(async () => {
      await continueGroups(groups)
      return !await isAlive(init)
    }, signal)
  }
  await killGroups(groups, signal)
  await until(async () => {
    const pids = await processesOf(uid)
    for (const pid of pids) kill(pid)
    return pids.length === 0
  }, signal)
}

/** Removes the cgroups of a dead sandbox. Its folder stays until everything else has been undone: it records the session. */
export async function removeSandbox ({ dir, groups }: SandboxId, signal: AbortSignal): Promise<void> {
  await removeGroups(await allGroups(dir, groups), signal)
}

/** The groups that this server would make, and those that the sandbox's own server made, if its folder still exists. */
async function allGroups (dir: string, usual: string[]): Promise<string[]> {
  return [...new Set([...await readGroups(dir), ...usual])]
}

/**
 * The argv that runs a command with the account: with limits, without privileges or a way to gain any, and with an
 * environment of only `env` and the account's basics. `argv` stands at its end.
 */
export function confined (account: Account, argv: readonly string[], env: Record<string, string> = {}, cwd = '/'): string[] {
  const own = {
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    PATH: SESSION_PATH.join(':'),
    LANG: 'C.UTF-8',
    TMPDIR: '/tmp',
    XDG_RUNTIME_DIR: `/run/user/${account.uid}`,
    ...env
  }
  return [
    'prlimit', '--core=0', `--nofile=${FILES}`, `--nproc=${PROCESSES}`, '--',
    'setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--no-new-privs',
    '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all',
    '--pdeathsig', 'KILL', '--', // ends with its supervisor: the next supervisor would start a second program beside it
    // env changes the folder after the uid has changed: root does not open a path in the home
    'env', '-i', '-C', cwd, ...Object.entries(own).map(([name, value]) => `${name}=${value}`),
    ...argv
  ]
}

/** A session's rlimits, beside the limits of its cgroups. They cannot be above the server's own. */
const FILES = await upTo(8192, 'Max open files')
const PROCESSES = await upTo(4096, 'Max processes')
