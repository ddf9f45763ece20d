import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { atOnce } from '#support/servers/at-once.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { cpuSeconds } from '#support/servers/server-process.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const SESSIONS = IS_LONG ? 500 : 30
const MADE_AT_ONCE = 12
const IDLE_MS = IS_LONG ? 30_000 : 5000

/** What the whole machine has free for programs, in MiB. */
function availableMiB (): number {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024
}

async function stateOf (server: Server): Promise<string[]> {
  const { sessions } = await read(server, '/sessions')
  return sessions.map(({ state, health }) => `${state} ${health}`)
}

t.test('a server full of sessions serves each of them, survives its own death with all of them, and ends them all', async t => {
  const before = availableMiB()
  let server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '501', EX10_HOME_SIZE: '64', EX10_LOG_LEVEL: 'warn' })
  const measured = async <T> (what: string, work: () => Promise<T>) => {
    const startedAt = performance.now()
    const cpu = cpuSeconds(server)
    const result = await work()
    t.comment(`${what}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, of which the server computed ${(cpuSeconds(server) - cpu).toFixed(1)} s`)
    return result
  }

  const sessions = await measured(`${SESSIONS} made, ${MADE_AT_ONCE} side by side`, () => atOnce(MADE_AT_ONCE, SESSIONS, () => createSession(server)))
  const wellAll = Array(SESSIONS).fill('ready ok')
  t.strictSame(await measured('listed', () => stateOf(server)), wellAll, 'all are ready and well, at once')
  t.comment(`memory of all: ${Math.round(before - availableMiB())} MiB`)
  t.strictSame(await measured('audited', () => auditFromServer(server)), CLEAN, 'all of them have what they must, and there is nothing else')
  t.strictSame(await measured('audited from the terminal', () => auditFromTerminal(server)), CLEAN)
  await measured('idle', () => delay(IDLE_MS))

  await server.stop('SIGKILL')
  const startedAt = performance.now()
  server = await next(t, server)
  const readyAt = performance.now()
  t.comment(`started again, with all of them: ${Math.round(readyAt - startedAt)} ms`)
  t.same((await listSessions(server)).map(({ id }) => id).sort(), sessions.map(({ id }) => id).sort(), 'the server that starts again has the same sessions')
  t.strictSame(await auditFromServer(server), CLEAN, 'and all is as it must be')
  t.strictSame(await stateOf(server), wellAll)
  const ms = Math.round(performance.now() - readyAt)
  t.comment(`seen to be well ${ms} ms after ready`)
  t.ok(ms < 5000, 'within 5 s of ready')
  await measured('idle', () => delay(IDLE_MS))

  const [deleted, left] = [sessions.slice(0, SESSIONS / 2), sessions.slice(SESSIONS / 2)]
  const answers = await measured(`${deleted.length} deleted, ${MADE_AT_ONCE} side by side`, () => atOnce(MADE_AT_ONCE, deleted.length, index => endSession(server, deleted[index]!.id)))
  t.ok(answers.every(({ status }) => status === 200), 'each delete is answered with 200')
  t.strictSame(await stateOf(server), Array(left.length).fill('ready ok'), 'the others are as well as before')
  await eventually('a clean audit', async () => (await auditFromServer(server)).code === 0)
  const stoppedAt = performance.now()
  await assertEndsClean(t, server)
  t.comment(`${left.length} ended with the server: ${Math.round(performance.now() - stoppedAt)} ms`)
  tally(t, 'sessions at once', SESSIONS)
})
