import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { FOR_GOOD, type Runner } from '#domain/memory/snapshot.ts'
import type { SessionFacts } from '#domain/session.ts'
import type { SessionEvent } from '#domain/live/event.ts'

interface Watched { facts: SessionFacts, dueAt: number, takenAt: number, hasChanged: boolean }

/** The first snapshot of a session is taken within this time. */
const FIRST_MS = 30_000
const LOOK_MS = 1000
const SWEEP_MS = 3_600_000
const TAKE_MS = 10_000
/** The least time for which the sessions of a lost server are left as they are: it may come back, and go on with them. */
const LOST_MS = 3_600_000
/** Events that are no change of a session. */
const NO_CHANGE: readonly SessionEvent['type'][] = ['ready', 'adopted', 'expiring', 'extended', 'draining', 'drain-cancelled', 'ended', 'failed', 'heartbeat']

/** Takes snapshots of live sessions: at intervals, if something has happened since, one session after the other; and before their ends. */
async function points (app: FastifyInstance): Promise<void> {
  const { snapshots, recovery, leavings, leases, registry } = app
  const everyMs = app.config.recoveryInterval * 1000
  const watched = new Map<string, Watched>()
  const closing = new AbortController()
  let working: Promise<unknown> = Promise.resolve()

  app.audit.own('recovery watch', () => watched.keys())
  app.events.observe((facts, { type }) => {
    if (!recovery.isOn) return
    if (type === 'ready' || type === 'adopted') begin(facts, type === 'adopted')
    else if (type === 'ended' || type === 'failed') watched.delete(facts.id)
    const session = watched.get(facts.id)
    if (session && !NO_CHANGE.includes(type)) session.hasChanged = true
  })
  app.farewells.add('recovery point', async (facts, reason, signal) => {
    watched.delete(facts.id)
    if (!recovery.isOn) return
    if (FOR_GOOD.includes(reason)) return await recovery.withdraw(facts.id, facts.owner)
    await recovery.offer(await snapshots.take(facts, reason, signal), reason, new Date())
  })
  app.addHook('onReady', async () => {
    // at once, and when the leases of servers that have just been lost have ended
    const again = setTimeout(sweepOrLog, leases.ms + LOOK_MS).unref()
    closing.signal.addEventListener('abort', () => clearTimeout(again))
    working = Promise.all([sweepOrLog(), every(LOOK_MS, look, closing.signal), every(SWEEP_MS, sweepOrLog, closing.signal)])
  })
  app.storeLink.onChange(change => { if (change === 'back') reclaim() })
  app.addHook('preClose', async () => {
    closing.abort()
    await working
  })

  /** Sessions that begin together are looked at at different times. */
  function begin (facts: SessionFacts, isAdopted: boolean): void {
    const now = performance.now()
    watched.set(facts.id, { facts, dueAt: now + Math.random() * Math.min(everyMs, FIRST_MS), takenAt: now, hasChanged: true })
    if (isAdopted) recovery.withdraw(facts.id, facts.owner).catch(err => app.log.warn({ err, sessionId: facts.id }, 'recovery point of a live session not taken back'))
  }

  /** Says again that this server runs its sessions: while the store was away, another server may have taken them for lost. */
  function reclaim (): void {
    for (const { facts } of watched.values()) {
      Promise.all([snapshots.claim(facts), recovery.withdraw(facts.id, facts.owner)]).catch(err => app.log.warn({ err, sessionId: facts.id }, 'session not noted as live'))
    }
  }

  async function look (): Promise<void> {
    const now = performance.now()
    for (const session of watched.values()) {
      if (session.dueAt > now || closing.signal.aborted) continue
      session.dueAt = now + everyMs
      const { idleMs = 0 } = app.expiry.show(session.facts.id) ?? {}
      if (!session.hasChanged && now - idleMs < session.takenAt) continue
      session.hasChanged = false
      session.takenAt = now
      await snapshots.take(session.facts, 'interval', AbortSignal.any([closing.signal, AbortSignal.timeout(TAKE_MS)])).catch(err => {
        if (watched.has(session.facts.id) && !closing.signal.aborted) app.log.warn({ err, sessionId: session.facts.id }, 'recovery point not taken')
      })
    }
  }

  async function sweepOrLog (): Promise<void> {
    await sweep().catch(err => app.log.warn({ err }, 'leavings not looked at'))
  }

  /** Offers sessions whose server was lost, and deletes what ended sessions have left. */
  async function sweep (): Promise<void> {
    for (const id of await leavings.ids()) {
      if (closing.signal.aborted) return
      if (registry.get(id)) continue
      try {
        const runner = await snapshots.runnerOf(id)
        if (runner ? await leases.isAlive(runner.server) || await isLost(id, runner) : await leavings.isHeld(id)) continue
        if (!registry.get(id)) await leavings.settle(id)
      } catch (err) {
        app.log.warn({ err, sessionId: id }, 'leavings of an ended session not looked at')
      }
    }
  }

  /** Whether the session's server was lost so lately that it may still come back. The first call offers the session. */
  async function isLost (id: string, runner: Runner): Promise<boolean> {
    if (runner.lostAt !== undefined) return Date.now() - Date.parse(runner.lostAt) < Math.max(LOST_MS, app.config.recoveryWindow * 1000)
    const snapshot = await snapshots.last(id)
    await snapshots.lose(id, runner, new Date())
    if (!snapshot || !recovery.isOn) return true
    app.log.warn({ sessionId: id }, 'session of a lost server can be brought back')
    await recovery.offer(snapshot, 'crashed', new Date())
    return true
  }
}

export default fp(points, { name: 'points', dependencies: ['audit', 'config', 'events', 'expiry', 'farewells', 'leases', 'leavings', 'recovery', 'registry', 'snapshots', 'store-link'] })
