// npm run bench [ROUNDS]: what a session costs, as figures of this machine and as a ratio to making one by hand, which
// is done in turn in the same run. Prints a table; asserts nothing.
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, launch, readLines, testEnv, type Server } from '#support/servers/server.ts'
import { countingLine, measureCounting } from './analytics.ts'
import { pushesWithHistory } from './history.ts'
import { memoryOf } from './memory.ts'
import { answered, closeBench, contentScriptSeen, openBench, popupSeen, pushMany, rollbackSeen, workerLive } from './pushes.ts'
import { recovered } from './recovery.ts'
import { measureSealing, sealingLines } from './sealing.ts'
import { measureState, STATE_FLOOR } from './state.ts'

const USAGE = `usage: npm run bench -- [ROUNDS]

Measures a session and its pushes, 7 times or ROUNDS times, and prints a table. Has a server of its own.`
const [rounds = '7', ...others] = process.argv.slice(2)
const ROUNDS = Number(rounds)
if (rounds === '--help' || rounds === '-h') {
  console.log(USAGE)
  process.exit()
}
if (others.length > 0 || !/^[1-9]\d*$/.test(rounds)) {
  console.error(`ex10: ROUNDS is a whole number from 1\n${USAGE}`)
  process.exit(1)
}
const RECOVER = 'recover: complete'
const SEEN = 'content script: push to visible'
const [KEEPING, WITHOUT] = ['updateCode, 8 KiB, ten, one after the other', 'updateCode, likewise, without history'] as const
const MANY = [['beside 500 files', 500, 1000], ['beside 15 MB', 4, 3_750_000]] as const
const COUNTING_SECONDS = 10
const FLOOR_UID = 299_990
const FLOOR_PORT = 19_990
const figures = new Map<string, number[]>()
const notes: string[] = []

const env = testEnv()
try {
  const server = await launch({ ...env, EX10_LOG_LEVEL: 'warn' })
  try {
    await measure(server)
  } finally {
    await server.stop()
  }
} finally {
  rmSync(env.EX10_DATA_DIR!, { recursive: true, force: true })
}
print()

async function measure (server: Server): Promise<void> {
  await createAndEnd(server) // page cache
  for (let round = 0; round < ROUNDS; round++) {
    await floor()
    await createAndEnd(server)
    add(RECOVER, await recovered(server))
  }
  await pushes(server)
  await history(server)
  await state(server)
  await memory(server)
  notes.push(countingLine(await measureCounting(COUNTING_SECONDS)))
  notes.push(...sealingLines(await measureSealing(ROUNDS)))
}

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

/** Pushes to a plain extension: a small one, and one in which there is much else. */
async function pushes (server: Server): Promise<void> {
  const bench = await openBench(server, 'vanilla', 'extension')
  for (const ms of await answered(bench, ROUNDS)) add('updateCode, 8 KiB', ms)
  for (const ms of await contentScriptSeen(bench, 'content-script.js', ROUNDS)) add(SEEN, ms)
  for (const ms of await rollbackSeen(bench, 'content-script.js', ROUNDS)) add('content script: rollback to visible', ms)
  for (const ms of await popupSeen(bench, ROUNDS)) add('popup: push to visible', ms)
  for (const ms of await workerLive(bench, ROUNDS)) add('service worker: push to live', ms)
  await closeBench(bench)
  for (const [name, count, bytes] of MANY) {
    const many = await openBench(server, 'vanilla', 'extension')
    await pushMany(many, count, bytes)
    for (const ms of await contentScriptSeen(many, 'content-script.js', ROUNDS)) add(`${SEEN}, ${name}`, ms)
    await closeBench(many)
  }
  const bundled = await openBench(server, 'typescript', 'extension-build')
  for (const ms of await contentScriptSeen(bundled, 'content.ts', ROUNDS)) add('content script of template typescript: push to visible', ms)
  await closeBench(bundled)
}

/** What keeping versions adds to pushes that follow one another, beside a server that keeps none. */
async function history (server: Server): Promise<void> {
  const settings = testEnv({ EX10_LOG_LEVEL: 'warn', EX10_HISTORY_SIZE: '0' })
  const other = await launch(settings)
  try {
    const { keeping, without } = await pushesWithHistory(server, other, ROUNDS)
    for (const ms of keeping) add(KEEPING, ms)
    for (const ms of without) add(WITHOUT, ms)
    notes.push(`keeping history adds ${(median(keeping) - median(without)).toFixed(1)} ms to a push that follows another at once`)
  } finally {
    await other.stop()
    rmSync(settings.EX10_DATA_DIR!, { recursive: true, force: true })
  }
}

async function state (server: Server): Promise<void> {
  const { id } = await createSession(server)
  for (const [name, ms] of await measureState(server, id, 200)) add(name, ms)
  await endSession(server, id)
}

/** PSS of one session, then of four, each time three seconds after they are complete. */
async function memory (server: Server): Promise<void> {
  const sessions = [await createSession(server)]
  for (const count of [1, 4]) {
    while (sessions.length < count) sessions.push(await createSession(server))
    await delay(3000)
    const sizes = memoryOf(sessions.map(({ id }) => readFacts(server, id).account.uid))
    const sum = [...sizes.values()].reduce((total, size) => total + size, 0)
    const parts = [...sizes].map(([name, size]) => `${name} ${Math.round(size / count)}`).join(', ')
    notes.push(`memory, PSS of each of ${count}: ${Math.round(sum / count)} MiB (${parts})`)
  }
  for (const { id } of sessions) await endSession(server, id)
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
  const comparisons = [
    ['create', 'create: complete', 'by hand: create'], ['DELETE', 'DELETE', 'by hand: delete'],
    ['recover', RECOVER, 'create: complete'],
    ['rollback', 'content script: rollback to visible', SEEN],
    ...MANY.map(([name]) => [`a push ${name}`, `${SEEN}, ${name}`, SEEN]),
    ...['state: GET a value', 'state: PUT a value'].map(name => [name, name, STATE_FLOOR])
  ] as const
  console.log('\n' + comparisons.map(([what, name, to]) => `${what}: ${ratio(name ?? '', to ?? '')} × ${to}`).join('\n'))
  console.log(notes.join('\n'))
}

function median (values: number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? NaN)) / 2
}

function ms (value = NaN): string {
  return value < 20 ? value.toFixed(1) : String(Math.round(value))
}
