import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { ProgressLine } from '#schemas/progress.ts'
import { runningServer } from '#system/instance/claims.ts'
import type { Place } from './machine.ts'
import { SPAN } from './span.ts'

/** Where tests keep their data folders; set-up puts the templates' stores and the npm cache there. */
export const TEST_DATA = '/var/lib/ex10-test'

/** Halves what a start of ours costs: the tests start some hundred. */
export const NODE_COMPILE_CACHE = `${TEST_DATA}/compile-cache`

/** Servers of one test process stand side by side. */
const SLOTS = 24
const PLACES = 20
let count = 0

/** A real server, in a process of its own. */
export interface Server extends Place {
  url: string
  child: ChildProcess
  env: Record<string, string>
  /** Sent with each request of the functions here: whoever asks. */
  headers?: Record<string, string>
  /** What it printed. */
  output (): string
  /** Sends SIGTERM and resolves with its exit code. */
  stop (signal?: NodeJS.Signals): Promise<number | null>
}

/** The settings of an instance that no other test has. */
export function testEnv (overrides: Record<string, string> = {}): Record<string, string> {
  mkdirSync(TEST_DATA, { recursive: true, mode: 0o711 })
  const dataDir = mkdtempSync(`${TEST_DATA}/data-${SPAN}-`)
  for (const name of ['templates', 'npm-cache']) symlinkSync(`../${name}`, `${dataDir}/${name}`)
  const place = count++
  const at = place % PLACES // the server that was there before has ended long ago
  return {
    EX10_DATA_DIR: dataDir,
    EX10_INSTANCE: `ex10t${SPAN}_${place}`,
    EX10_PORT: '0',
    EX10_PORT_BASE: String(portBase(at)),
    EX10_SLOTS: String(SLOTS),
    EX10_HOME_SIZE: '512',
    EX10_CREATE_RATE: '0', // tests make more than people do
    EX10_UID_MIN: String(300000 + SPAN * 100000 + at * 1000),
    EX10_UID_MAX: String(300000 + SPAN * 100000 + at * 1000 + 999),
    ...overrides
  }
}

/** Dev servers and DevTools are 1000 below and above: two spans fit in between, and all below the ports that the kernel gives away. */
function portBase (place: number): number {
  return 20_000 + Math.floor(SPAN / 2) * 3000 + (SPAN % 2 * PLACES + place) * SLOTS
}

/** What runs a server so that it shuts down when its test's process is killed, as tap does with a file that takes too long. */
const ENDS_WITH_TEST = ['setpriv', '--pdeathsig', 'TERM']
let placesAreFree: Promise<unknown> | undefined

/** Waits until the servers of a killed test file, which had the places of this one, have shut down. */
function abandonedEnd (): Promise<unknown> {
  const instances = Array.from({ length: PLACES }, (_, place) => `ex10t${SPAN}_${place}`)
  return eventually('an end of the servers of a killed test file', () => instances.every(instance => runningServer(instance) === undefined), 60_000)
}

/**
 * Starts a server with these settings and waits until it is ready; nobody ends it. Tests start theirs by `serve`, `next` and
 * `refusalOf` (creation.ts). `prefix` is a command that runs another one in a lesser place.
 */
export async function launch (env: Record<string, string>, prefix: string[] = []): Promise<Server> {
  await (placesAreFree ??= abandonedEnd())
  const [command = '', ...args] = [...prefix, ...ENDS_WITH_TEST, process.execPath, 'src/server.ts']
  const child = spawn(command, args, { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', line => {
      output += line + '\n'
      const url = /^Ex10 is ready: (\S+)/.exec(line)?.[1]
      if (url) resolve(url)
    })
  }
  child.once('exit', code => reject(new Error(`the server ended with ${code}: ${output}`)))
  const said = await promise
  const url = env.EX10_PORT === '0' ? said : `http://127.0.0.1:${env.EX10_PORT}` // itself, where it says its public address
  return {
    ...placeOf(env),
    url,
    child,
    env,
    output: () => output,
    async stop (signal: NodeJS.Signals = 'SIGTERM') {
      if (!isRunning(child)) return child.exitCode
      child.kill(signal)
      const [code] = await once(child, 'exit') as [number | null]
      return code
    }
  }
}

/** For the diagnostics of a failed assertion: the last of what the server printed. */
export function logOf (server: Server): { log: string } {
  return { log: server.output().slice(-3000) }
}

/** Where a server with these settings may leave something. */
export function placeOf (env: Record<string, string>): Place {
  const portBase = Number(env.EX10_PORT_BASE)
  return {
    dataDir: env.EX10_DATA_DIR ?? '',
    instance: env.EX10_INSTANCE ?? '',
    uids: [Number(env.EX10_UID_MIN), Number(env.EX10_UID_MAX)],
    ports: [-1000, 0, 1000].map(offset => [portBase + offset, portBase + offset + Number(env.EX10_SLOTS) - 1])
  }
}

/** Whether the process has not ended. */
export function isRunning (child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** A session that a test created. */
export interface CreatedSession { id: string, url: string, lines: ProgressLine[] }

/** Reads a creation's stream, line by line. */
export async function * readLines (response: Response): AsyncGenerator<ProgressLine> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
      yield JSON.parse(text.slice(0, end)) as ProgressLine
      text = text.slice(end + 1)
    }
  }
}

/** Creates a session and waits until it is ready. */
export async function createSession (server: Server, query = ''): Promise<CreatedSession> {
  const response = await fetch(`${server.url}/createSession${query}`, { headers: server.headers ?? {} })
  if (!response.ok) throw new Error(`not created: ${response.status} ${await response.text()}`)
  const lines: ProgressLine[] = []
  for await (const line of readLines(response)) lines.push(line)
  const last = lines.at(-1)
  if (last?.status !== 'complete') throw new Error(`not created: ${JSON.stringify(last)}\n${server.output().slice(-3000)}`)
  return { id: last.data.sessionId, url: server.url + last.data.url, lines }
}

export function endSession (server: Server, id: string): Promise<Response> {
  return fetch(`${server.url}/session/${id}`, { method: 'DELETE', headers: server.headers ?? {} })
}

export function pushCode (server: Server, body: object): Promise<Response> {
  return fetch(`${server.url}/updateCode`, { method: 'POST', headers: { 'content-type': 'application/json', ...server.headers }, body: JSON.stringify(body) })
}

/** Asks until the answer is truthy, for at most `ms`. */
export async function eventually<T> (what: string, probe: () => Promise<T> | T, ms = 10_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + ms
  for (;;) {
    const answer = await probe()
    if (answer) return answer
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms} ms`)
    await delay(20)
  }
}
