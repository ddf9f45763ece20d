import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { SessionFacts } from '#domain/session.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { confined, readInit } from '#system/sandbox/sandbox.ts'
import type { CreatedSession, Server } from './servers/server.ts'

const ENTER = fileURLToPath(new URL('../../src/system/sandbox/enter.sh', import.meta.url))

/** What a command printed, and how it ended. */
export interface Outcome { stdout: string, stderr: string, code: number | null, signal: string | null }

/** A live session with what the server has on record of it, and a way in: as its own user, confined like all that it runs. */
export interface Inside {
  facts: SessionFacts
  /** The session's root-owned folder. */
  dir: string
  /** The pid of the sandbox's init, as the host sees it. */
  init: number
  groups: string[]
  start (argv: readonly string[]): ChildProcessWithoutNullStreams
  /** Not hardened: as if the kernel had no Landlock and no seccomp, so that what stands behind them is tested, too. */
  startSoft (argv: readonly string[]): ChildProcessWithoutNullStreams
  run (argv: readonly string[], input?: string): Promise<Outcome>
  /** Runs a fixture inside; resolves with the JSON that it printed. */
  python (fixture: string, ...args: unknown[]): Promise<any>
}

/** The source of a Python fixture: a session cannot read this folder, so programs reach it as text. */
export function pythonArgv (fixture: string, ...args: unknown[]): string[] {
  const source = readFileSync(new URL(`../fixtures/${fixture}`, import.meta.url), 'utf8')
  return ['/usr/bin/python3', '-I', '-S', '-c', source, ...args.map(argument => JSON.stringify(argument))]
}

/** Starts a command with pipes; it is killed when the test ends. */
export function start (t: Test, argv: readonly string[], env: Record<string, string> = CLEAN_ENV): ChildProcessWithoutNullStreams {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { env, cwd: '/', stdio: 'pipe' })
  child.stdin.on('error', () => {}) // it may end without reading
  t.teardown(() => { child.stdin.destroy(); child.kill('SIGKILL') })
  return child
}

/** Runs a command to its end. */
export async function outcomeOf (child: ChildProcessWithoutNullStreams, input = ''): Promise<Outcome> {
  const ended = new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve([code, signal]))
  })
  child.stdin.end(input)
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { stdout, stderr, code, signal }
}

/** Resolves with the JSON that the command printed. */
export async function jsonOf (child: ChildProcessWithoutNullStreams): Promise<any> {
  const { stdout, stderr, code } = await outcomeOf(child)
  if (code !== 0) throw new Error(`exit ${code}: ${stderr.slice(-2000)}`)
  return JSON.parse(stdout)
}

/** Resolves when the child prints a line; rejects when it ends before. */
export async function firstLine (child: ChildProcessWithoutNullStreams): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  let errors = ''
  child.stderr.on('data', chunk => { errors += chunk })
  child.on('exit', code => reject(new Error(`it ended with ${code}: ${errors}`)))
  child.stdout.on('data', chunk => {
    text += chunk
    if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
  })
  return promise
}

/** Opens a way into a live session. */
export async function inside (t: Test, server: Server, session: CreatedSession): Promise<Inside> {
  const facts = readFacts(server, session.id)
  const dir = `${server.dataDir}/sessions/${session.id}`
  const { pid: init } = (await readInit(dir))!
  const groups = globSync(`/sys/fs/cgroup/**/${server.instance}/${session.id}/`)
  const net = ['nsenter', '-t', String(init), '--net']
  const ports = [facts.slot.displayPort, facts.slot.devServerPort, facts.slot.devToolsPort].map(String)
  const enter = (argv: readonly string[]) => start(t, [...net, '--',
    'sh', ENTER, String(init), ...groups, '--', ...ports, '--', ...confined(facts.account, argv)])
  return {
    facts,
    dir,
    init,
    groups,
    start: enter,
    startSoft: argv => start(t, [...net, '--mount', '--ipc', '--uts', '--pid', '--wdns=/', '--', ...confined(facts.account, argv)]),
    run: (argv, input) => outcomeOf(enter(argv), input),
    python: (fixture, ...args) => jsonOf(enter(pythonArgv(fixture, ...args)))
  }
}

export function readFacts (server: Server, id: string): SessionFacts {
  const database = new DatabaseSync(`${server.dataDir}/registry.db`, { readOnly: true })
  try {
    return JSON.parse(String(database.prepare('SELECT facts FROM sessions WHERE id = ?').get(id)?.facts))
  } finally {
    database.close()
  }
}
