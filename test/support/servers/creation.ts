import { rmSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import root, { type Test } from 'tap'
import type { ProgressLine } from '#schemas/progress.ts'
import type { SessionView } from '#schemas/session.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { read } from './client.ts'
import { auditFromServer, auditFromTerminal, CLEAN, tallyAudits } from './audit.ts'
import { listMachine } from './machine.ts'
import { eventually, isRunning, launch, logOf, readLines, testEnv, type Server } from './server.ts'

/** A creation that is under way. */
export interface Creation {
  /** Reads on until the line that says that this step began, and returns the lines so far. */
  until (step: string): Promise<ProgressLine[]>
  /** Reads one line. */
  next (): Promise<ProgressLine | undefined>
  /** Reads to the end, and returns all lines. */
  end (): Promise<ProgressLine[]>
  /** Closes the connection. */
  leave (): void
}

/** Begins a creation and leaves it to the test how far its lines are read. */
export async function beginCreation (server: Server): Promise<Creation> {
  const connection = new AbortController()
  const response = await fetch(`${server.url}/createSession`, { signal: connection.signal, headers: server.headers ?? {} })
  if (!response.ok) throw new Error(`not begun: ${response.status} ${await response.text()}`)
  const lines = readLines(response)
  const seen: ProgressLine[] = []
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) return undefined
    seen.push(value)
    return value
  }
  return {
    next,
    async until (step: string) {
      for (let line = await next(); line; line = await next()) {
        if (line.status === 'running' && line.data.step === step) return seen
        if (line.status === 'complete' || line.status === 'error') break
      }
      throw new Error(`no line of the step ${step}: ${JSON.stringify(seen.at(-1))}\n${server.output().slice(-3000)}`)
    },
    async end () {
      while (await next());
      return seen
    },
    leave: () => connection.abort()
  }
}

/** Waits until the server holds no slot, then compares the whole machine with an earlier listing. */
export async function assertAsBefore (t: Test, server: Server, before: string[], what: string): Promise<void> {
  await eventually('an end of all sessions', async () => {
    return (await read(server, '/health')).sessions === 0
  }, 60_000)
  t.strictSame(await listMachine(server), before, `${what}: the machine is as before`)
}

/** How far the check of the machine has come, by data folder: `due` since the last start there. */
const checks = new Map<string, 'due' | 'passed' | 'failed'>()

export interface Serving {
  /** `unchecked`: the test leaves its place so that no check could pass, and says so. */
  end?: 'clean' | 'unchecked'
  /** A command that runs another one in a lesser place, as `prlimit` does. */
  prefix?: string[]
}

/**
 * Starts a server in a place that no other test has. When the test ends, so does the server, and its end is checked: it
 * exits with 0, and a full listing of the machine and both audits find nothing, or the test's file fails. A test that ends
 * the server by `assertEndsClean` has had the check.
 */
export async function serve (t: Test, overrides: Record<string, string> = {}, { end = 'clean', prefix = [] }: Serving = {}): Promise<Server> {
  const env = testEnv(overrides)
  const folder = env.EX10_DATA_DIR!
  t.teardown(() => { if (checks.get(folder) !== 'failed') rmSync(folder, { recursive: true, force: true }) })
  return startIn(t, env, prefix, end)
}

/** Starts a server with settings that the test has already, mostly those of a killed one. Its end is checked, too. */
export function next (t: Test, { env }: Pick<Server, 'env'>, { prefix = [] }: Pick<Serving, 'prefix'> = {}): Promise<Server> {
  return startIn(t, env, prefix)
}

async function startIn (t: Test, env: Server['env'], prefix: string[] = [], end: Serving['end'] = 'clean'): Promise<Server> {
  const server = await launch(env, prefix)
  checks.set(server.dataDir, 'due')
  t.teardown(() => end === 'clean' ? checkEnd(t, server) : server.stop())
  return server
}

/** Says what is wrong as a failure of the whole file: the test has its result, and an error here would keep its other teardowns from running. */
async function checkEnd (t: Test, server: Server): Promise<void> {
  if (checks.get(server.dataDir) !== 'due') return
  try {
    const wasRunning = isRunning(server.child)
    const { code, ...found } = await endOf(t, wasRunning ? await asAdmin(server) : server)
    if (isDeepStrictEqual(found, NOTHING_FOUND) && (code === 0 || !wasRunning)) return
    root.fail(`${t.fullname}: the server's end is not clean`, { code, ...found, at: undefined, stack: '' })
  } catch (error) {
    await server.stop('SIGKILL')
    root.fail(`${t.fullname}: the server's end could not be checked`, { error, at: undefined, stack: '' })
  }
  checks.set(server.dataDir, 'failed')
}

/** The server as somebody asks it who may audit it. */
async function asAdmin (server: Server): Promise<Server> {
  if (server.headers || (server.env.EX10_AUTH ?? 'none') === 'none') return server
  return as(server, await keysCommand(server, 'create', '--user', 'the-check', '--role', 'admin'))
}

/** Ends a server: it exits with 0, and nothing of it is left. For a test that does more afterwards, or counts the time. */
export async function assertEndsClean (t: Test, server: Server): Promise<void> {
  const { code, ...found } = await endOf(t, server)
  t.equal(code, 0, 'the server exits with 0', logOf(server))
  t.strictSame(found, NOTHING_FOUND, 'the audits and a listing of the machine find nothing of the server or of its sessions')
}

/** By the server's own audit before its end, a listing of the machine, and the audit from the terminal. */
const NOTHING_FOUND = { byServer: CLEAN, left: [] as string[], byTerminal: CLEAN }

/** Ends the server if it runs, and looks for what should not be there. */
async function endOf (t: Test, server: Server): Promise<typeof NOTHING_FOUND & { code: number | null }> {
  const byServer = isRunning(server.child) ? await auditFromServer(server) : CLEAN
  const code = await server.stop()
  const left = await listMachine(server)
  const byTerminal = await auditFromTerminal(server)
  tallyAudits(t, [byServer, byTerminal], left)
  checks.set(server.dataDir, 'passed')
  return { code, byServer, left, byTerminal }
}

/** What a server says that refuses to start with these settings. */
export async function refusalOf (env: Server['env'], prefix: string[] = []): Promise<string> {
  const server = await launch(env, prefix).catch((error: Error) => error.message)
  if (typeof server === 'string') return server
  await server.stop()
  throw new Error('the server was to refuse, and started')
}

/** The sessions that the server knows, all of them, each as `ID STATE`. */
export async function listStates (server: Server): Promise<string[]> {
  return (await listSessions(server)).map(({ id, state }) => `${id} ${state}`)
}

/** The sessions that the server shows. */
export async function listSessions (server: Server): Promise<SessionView[]> {
  return (await read(server, '/sessions')).sessions
}
