// What the clocks of 500 sessions cost: seconds of CPU in a minute, beside a process that only waits. `node_modules/.bin/node test/bench/expiry.ts [seconds]`
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import expiry from '#plugins/live/expiry.ts'
import { readConfig } from '#config.ts'
import type { SessionFacts } from '#domain/session.ts'
import { openRegistry } from '#stores/sqlite/registry.ts'
import { factsOf } from '#support/facts.ts'

const SESSIONS = 500
const SECONDS = Number(process.argv[2] ?? 60)

function facts (): SessionFacts {
  return factsOf(randomBytes(16).toString('hex'), new Date())
}

/** The plugin with a registry of its own; nobody hears of events. */
async function clocks (env: Record<string, string>, folder: string): Promise<{ app: FastifyInstance, ids: string[], close: () => Promise<void> }> {
  const app = Fastify()
  const { sessions, clocks } = openRegistry(`${folder}/${randomBytes(4).toString('hex')}.db`)
  const parts = { config: readConfig(env), registry: { clocks }, audit: { own () {} }, events: { publish () {} } }
  for (const [name, part] of Object.entries(parts)) await app.register(fp(async app => { app.decorate(name, { getter: () => part }) }, { name }))
  await app.register(expiry)
  await app.ready()
  const all = Array.from({ length: SESSIONS }, facts)
  const stops = await Promise.all(all.map(async one => {
    await sessions.record(one)
    await sessions.ready(one.id)
    const stop = app.expiry.watch(one, async () => stop())
    return stop
  }))
  return {
    app,
    ids: all.map(({ id }) => id),
    async close () {
      for (const stop of stops) stop()
      await app.close()
      await sessions.close()
    }
  }
}

async function measure (what: string, work: () => Promise<unknown> = async () => {}): Promise<void> {
  const before = process.cpuUsage()
  await Promise.all([work(), delay(SECONDS * 1000)])
  const { user, system } = process.cpuUsage(before)
  console.log(`${((user + system) / 1e6 * 60 / SECONDS).toFixed(3)} s of CPU a minute: ${what}`)
}

const folder = mkdtempSync(`${tmpdir()}/ex10-bench-`)
await measure('no session')
const idle = await clocks({}, folder)
await measure(`${SESSIONS} sessions that nobody uses`)
await measure(`${SESSIONS} sessions, each used once a second`, async () => {
  for (let second = 0; second < SECONDS - 1; second++) {
    for (const id of idle.ids) idle.app.expiry.saw(id)
    await delay(1000)
  }
})
await idle.close()
const short = await clocks({ EX10_IDLE_TIMEOUT: '20', EX10_CONNECT_TIMEOUT: '0' }, folder)
await measure(`${SESSIONS} sessions that are warned and end, 10 a second`, async () => {
  for (const id of short.ids) {
    short.app.expiry.saw(id)
    await delay(100)
  }
})
await short.close()
rmSync(folder, { recursive: true })
