// What counting costs: the share of a core for 500 sessions with 10 events a second each, beside a process that only tells
// the events. `node_modules/.bin/node test/bench/analytics.ts [seconds]`
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import { readConfig } from '#config.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import type { SessionFacts } from '#domain/session.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import analytics from '#plugins/operations/analytics.ts'
import { openRecords } from '#stores/sqlite/records.ts'
import { factsOf } from '#support/facts.ts'

const SESSIONS = 500
const EVENTS_A_SECOND = 10
const USERS = 50
const STEP_MS = 50

export interface CountingCost { share: number, baseline: number, secondsBehind: number }

/** Measures for so many seconds. `share` and `baseline` are parts of a core; `secondsBehind` is the most that was not written yet. */
export async function measureCounting (seconds: number): Promise<CountingCost> {
  const baseline = await shareOf(seconds, false)
  return { ...await shareOf(seconds, true), baseline: baseline.share }
}

async function shareOf (seconds: number, isOn: boolean): Promise<Omit<CountingCost, 'baseline'>> {
  const folder = mkdtempSync(`${tmpdir()}/ex10-bench-`)
  const store = await openRecords(`${folder}/records.db`)
  const observers = new Listeners<[SessionFacts, SessionEvent]>()
  let writtenAt = performance.now()
  let behind = 0
  const app = Fastify({ loggerInstance: pino({ level: 'warn' }) })
  const nothing = () => {}
  const records = new Records(store, UNSEALED)
  const parts: Record<string, unknown> = {
    config: { ...readConfig({}), tracking: isOn },
    audit: { own: nothing },
    'code-updates': { onBuilt: nothing },
    events: { observe: (listener: (facts: SessionFacts, event: SessionEvent) => void) => { observers.add(listener) } },
    expiry: { onUse: nothing },
    farewells: { add: nothing },
    'network-usage': { isCounted: false, forget: nothing },
    registry: { live: () => [], get: nothing },
    sandboxes: {},
    work: { observe: nothing }
  }
  for (const [name, part] of Object.entries(parts)) {
    const decorator = name.replace(/-./g, ([, letter]) => letter!.toUpperCase())
    await app.register(fp(async app => { app.decorate(decorator, { getter: () => part }) }, { name }))
  }
  await app.register(fp(async app => {
    app.decorate('records', {
      getter: () => ({
        get: async () => undefined,
        async writeEach (changes: Parameters<Records['writeEach']>[0]) {
          await records.writeEach(changes)
          behind = Math.max(behind, performance.now() - writtenAt)
          writtenAt = performance.now()
        }
      }) as unknown as Records
    })
  }, { name: 'storage' }))
  await app.register(analytics)
  await app.ready()
  const sessions = Array.from({ length: SESSIONS }, (_, index) => facts(index))
  const tell = (session: SessionFacts, type: SessionEvent['type'], fields: Partial<SessionEvent> = {}) => observers.tell(session, { at: new Date().toISOString(), type, message: '', ...fields })
  for (const session of sessions) tell(session, 'ready')
  await delay(1500)

  behind = 0
  writtenAt = performance.now()
  const before = process.cpuUsage()
  const startedAt = performance.now()
  let told = 0
  while (performance.now() - startedAt < seconds * 1000) {
    const due = (performance.now() - startedAt) / 1000 * SESSIONS * EVENTS_A_SECOND
    for (; told < due; told++) tell(sessions[told % SESSIONS]!, told % 2 ? 'pushed' : 'reloaded', { files: 1, ms: 50 })
    await delay(STEP_MS)
  }
  const { user, system } = process.cpuUsage(before)
  const share = (user + system) / 1000 / (performance.now() - startedAt)
  await app.close()
  await store.close()
  rmSync(folder, { recursive: true })
  return { share, secondsBehind: behind / 1000 }
}

function facts (index: number): SessionFacts {
  return { ...factsOf(randomBytes(16).toString('hex'), new Date()), owner: `user${index % USERS}` }
}

/** The result as a line of a report. */
export function countingLine ({ share, baseline, secondsBehind }: CountingCost): string {
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`
  return `analytics of ${SESSIONS} sessions with ${EVENTS_A_SECOND} events a second each: ${percent(share - baseline)} of a core (${percent(share)} in all, ${percent(baseline)} to tell the events alone); at most ${secondsBehind.toFixed(2)} s not written yet`
}

if (import.meta.main) console.log(countingLine(await measureCounting(Number(process.argv[2] ?? 20))))
