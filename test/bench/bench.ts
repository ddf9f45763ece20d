// npm run bench [ROUNDS]: what a session costs, as figures of this machine and as a ratio to making one by hand, which
// is done in turn in the same run. Prints a table; asserts nothing.
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createSession, endSession, launch, pushCode, readLines, testEnv, type Server } from '../support/server.ts'
import { contentScriptSeen } from './push-to-visible.ts'

const ROUNDS = Number(process.argv[2] ?? 7)
const PACE_MS = 300
const FLOOR_UID = 299_990
const FLOOR_PORT = 19_990
const figures = new Map<string, number[]>()

const env = testEnv()
const server = await launch({ ...env, EX10_LOG_LEVEL: 'warn' })
try {
  await createAndEnd(server) // page cache
  for (let round = 0; round < ROUNDS; round++) {
    await floor()
    await createAndEnd(server)
  }
  await pushes(server)
} finally {
  await server.stop()
  rmSync(server.dataDir, { recursive: true, force: true })
}
print()

async function floor (): Promise<void> {
  const { stdout } = await promisify(execFile)('bash', ['test/bench/floor.sh', String(FLOOR_UID), String(FLOOR_PORT)])
  const [created = NaN, deleted = NaN] = stdout.trim().split(' ').map(Number)
  add('by hand: create', created)
  add('by hand: delete', deleted)
}

async function createAndEnd (server: Server): Promise<void> {
  const start = performance.now()
  const response = await fetch(`${server.url}/createSession`)
  let id = ''
  let lines = 0
  for await (const line of readLines(response)) {
    if (lines++ === 0) add('create: first line', performance.now() - start)
    if (line.status === 'complete') id = line.data.sessionId
    if (line.status === 'error') throw new Error(line.data.message)
  }
  add('create: complete', performance.now() - start)
  const ending = performance.now()
  await endSession(server, id)
  add('DELETE', performance.now() - ending)
}

async function pushes (server: Server): Promise<void> {
  const session = await createSession(server)
  for (let round = 0; round < ROUNDS; round++) add('content script: push to visible', await contentScriptSeen(server, session.id))
  for (let round = 0; round < 30; round++) {
    await delay(PACE_MS) // the build of the one before is over: what is measured is the push
    const start = performance.now()
    await (await pushCode(server, { sessionId: session.id, filePath: 'notes.txt', content: String(round).padEnd(8192, 'x') })).json()
    add(`updateCode, 8 KiB, one in ${PACE_MS} ms`, performance.now() - start)
  }
  await endSession(server, session.id)
}

function add (name: string, ms: number): void {
  figures.set(name, [...figures.get(name) ?? [], ms])
}

function print (): void {
  const debian = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  console.log(`\n${debian}, Linux ${readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, load ${loadavg()[0]?.toFixed(1)}, Node ${process.versions.node}, ${ROUNDS} rounds\n`)
  console.log('| what | median ms | min | max |\n|---|---|---|---|')
  for (const [name, values] of figures) {
    const sorted = values.slice().sort((a, b) => a - b)
    console.log(`| ${name} | ${ms(median(values))} | ${ms(sorted[0])} | ${ms(sorted.at(-1))} |`)
  }
  const ratio = (name: string, to: string) => (median(figures.get(name) ?? []) / median(figures.get(to) ?? [])).toFixed(2)
  console.log(`\ncreate is ${ratio('create: complete', 'by hand: create')} × by hand, DELETE ${ratio('DELETE', 'by hand: delete')} ×`)
}

function median (values: number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? NaN)) / 2
}

function ms (value = NaN): string {
  return value < 20 ? value.toFixed(1) : String(Math.round(value))
}
