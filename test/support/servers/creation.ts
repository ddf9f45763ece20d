import { rmSync } from 'node:fs'
import type { Test } from 'tap'
import type { ProgressLine } from '#schemas/progress.ts'
import { auditFromServer, auditFromTerminal, CLEAN, tallyAudits } from './audit.ts'
import { listMachine } from './machine.ts'
import { eventually, isRunning, launch, readLines, testEnv, type Server } from './server.ts'

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
    const health = await (await fetch(`${server.url}/health`)).json() as { sessions: number }
    return health.sessions === 0
  }, 60_000)
  t.strictSame(await listMachine(server), before, `${what}: the machine is as before`)
}

/** Starts a server of this test's own. The test says itself, by `assertEndsClean`, that nothing is left: after it, it is too late to. */
export async function serve (t: Test, overrides: Record<string, string> = {}): Promise<Server> {
  const server = await launch(testEnv(overrides))
  t.teardown(async () => {
    if (await server.stop() === 0) rmSync(server.dataDir, { recursive: true, force: true })
  })
  return server
}

/** Starts the killed server again, with the same settings. */
export async function next (t: Test, killed: Pick<Server, 'env'>): Promise<Server> {
  const server = await launch(killed.env)
  t.teardown(async () => { await server.stop() })
  return server
}

/** Ends a server: it exits with 0, and nothing of it is left. */
export async function assertEndsClean (t: Test, server: Server): Promise<void> {
  const served = isRunning(server.child) ? await auditFromServer(server) : CLEAN
  t.strictSame(served, CLEAN, 'by its own audit, the machine and the server hold what the live sessions imply')
  t.equal(await server.stop(), 0, 'the server exits with 0')
  const left = await listMachine(server)
  t.strictSame(left, [], 'nothing of the server or of its sessions is left on the machine')
  const audited = await auditFromTerminal(server)
  t.strictSame(audited, CLEAN, 'nor does the audit find anything')
  tallyAudits(t, [served, audited], left)
}

/** The sessions that the server knows, all of them, each as `ID STATE`. */
export async function listStates (server: Server): Promise<string[]> {
  return (await listSessions(server)).map(({ id, state }) => `${id} ${state}`)
}

/** The ids of the sessions that the server knows, with their states. */
export async function listSessions (server: Server): Promise<{ id: string, state: string, version: number, url: string }[]> {
  const { sessions } = await (await fetch(`${server.url}/sessions`, { headers: server.headers ?? {} })).json() as { sessions: { id: string, state: string, version: number, url: string }[] }
  return sessions
}
