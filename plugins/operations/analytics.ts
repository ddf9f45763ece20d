import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import { ACTIVE_GAP_MS, close, countBuild, countCall, countEvent, countView, durationOf, measure, newAnalytics, type Analytics } from '#domain/operations/analytics.ts'
import { analyticsOf, SUMMARIES, summaryOf, type Summary } from '#domain/operations/ended-sessions.ts'
import type { SessionFacts } from '#domain/session.ts'
import { DayIndex } from '#domain/storage/day-index.ts'
import type { Change } from '#domain/storage/records.ts'
import { momentNow } from '#system/kernel/boot-time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What sessions do and use: counted here and nowhere else, and kept after their end. */
    analytics: {
      /** False with EX10_TRACKING=0: then nothing is counted or written. */
      isOn: boolean
      /** The analytics of a session that was ready, as they are now or were at its end, and for how long it was ready. */
      find (id: string): Promise<{ of: Analytics, durationMs: number } | undefined>
      /** Counts a viewer that looks until `closed` resolves. `who` tells people apart; it is not kept. */
      viewed (id: string, who: string, closed: Promise<void>): void
      /** Resolves when everything that was counted before the call is written. */
      save (): Promise<void>
    }
  }
}

interface Counted {
  of: Analytics
  /** The time when the session was ready, by `performance.now()`. */
  readyAt: number
  /** The time of the last use, and whether work has been running since. */
  usedAt: number
  isWorking: boolean
  viewers: number
}

/** With the write that follows, a kill -9 loses what was counted in one second. */
const SAVE_MS = 900

async function analytics (app: FastifyInstance): Promise<void> {
  const isOn = app.config.tracking
  const counted = new Map<string, Counted>()
  const changed = new Set<Counted>()
  const unwritten = new Map<string, Analytics>() // of sessions that have ended
  const failures = new Map<string, string>() // codes of the creations that are being undone
  let timer: NodeJS.Timeout | undefined
  let isAway = false
  const index = new DayIndex<Summary>(app.records, SUMMARIES)
  const save = coalesce(write)

  app.audit.own('analytics', () => counted.keys())
  app.decorate('analytics', {
    isOn,
    async find (id) {
      const of = await present(id) ?? unwritten.get(id) ?? await past(id)
      return of && { of, durationMs: durationOf(of, momentNow()) }
    },
    viewed (id, who, closed) {
      const session = counted.get(id)
      if (!session) return
      session.viewers++
      count(session, ageMs => countView(session.of, who, session.viewers, ageMs))
      closed.then(() => { session.viewers-- })
    },
    save
  } satisfies FastifyInstance['analytics'])
  if (!isOn) return

  app.events.observe(heard)
  app.codeUpdates.onBuilt(({ id }, isGood) => count(counted.get(id), (ageMs, of) => countBuild(of, isGood, ageMs)))
  app.expiry.onUse((id, isWorking) => count(counted.get(id), (_ageMs, _of, session) => used(session, isWorking)))
  app.work.observe(({ sessionId, work, ...news }) => {
    if (work === 'creation' && news.type === 'step' && news.code !== undefined) failures.set(sessionId, news.code)
    if (work === 'creation' && news.type === 'over') failures.delete(sessionId)
  })
  app.farewells.add('analytics', readCounters)
  app.addHook('onResponse', async ({ session }, { statusCode }) => {
    if (session) count(counted.get(session.id), (ageMs, of) => countCall(of, statusCode >= 400, ageMs))
  })
  app.addHook('onReady', goOn)
  app.addHook('onClose', async () => {
    await save() // sessions may outlive this server
    clearTimeout(timer)
  })

  /** Goes on with what an earlier server counted of the sessions that are still there. */
  async function goOn (): Promise<void> {
    await Promise.all(app.registry.live().filter(({ state }) => state !== 'creating').map(async facts => {
      const kept = await app.records.get<Analytics>(analyticsOf(facts.owner), facts.id)
      add(facts, kept?.value ?? newAnalytics(facts, { wall: facts.createdAt, bootId: '', uptimeMs: 0 }))
    }))
  }

  async function present (id: string): Promise<Analytics | undefined> {
    const session = counted.get(id)
    const facts = app.registry.get(id)
    if (!session || !facts) return undefined
    await readCounters(facts)
    countWork(session)
    return session.of
  }

  async function past (id: string): Promise<Analytics | undefined> {
    const owner = await index.ownerOf(id)
    return owner === undefined ? undefined : (await app.records.get<Analytics>(analyticsOf(owner), id))?.value
  }

  function add ({ id }: SessionFacts, of: Analytics): void {
    const now = performance.now()
    const session: Counted = { of, readyAt: now - durationOf(of, momentNow()), usedAt: now, isWorking: false, viewers: 0 }
    counted.set(id, session)
    count(session, () => {})
  }

  function heard (facts: SessionFacts, event: SessionEvent): void {
    if (event.type === 'ready') add(facts, newAnalytics(facts, momentNow()))
    else if (event.type === 'ended' || event.type === 'failed') ended(facts, event)
    else {
      const session = counted.get(facts.id)
      if (session && countEvent(session.of, event, performance.now() - session.readyAt)) count(session, () => {})
    }
  }

  function ended (facts: SessionFacts, { at, type, reason = '' }: SessionEvent): void {
    const now = momentNow()
    const session = counted.get(facts.id)
    const of = session?.of ?? newAnalytics(facts, now)
    if (session) countWork(session)
    close(of, { at, state: type === 'failed' ? type : 'ended', reason: (type === 'failed' && failures.get(facts.id)) || reason }, now)
    counted.delete(facts.id)
    if (session) changed.delete(session)
    unwritten.set(facts.id, of)
    app.networkUsage.forget(facts)
    saveSoon()
  }

  /** Counts something of a session that was ready and has not ended, and has it written. */
  function count (session: Counted | undefined, work: (ageMs: number, of: Analytics, session: Counted) => void): void {
    if (!session) return
    work(performance.now() - session.readyAt, session.of, session)
    changed.add(session)
    saveSoon()
  }

  function used (session: Counted, isWorking: boolean): void {
    const now = performance.now()
    const sinceMs = now - session.usedAt
    if (session.isWorking || sinceMs <= ACTIVE_GAP_MS) session.of.activeMs += sinceMs
    session.usedAt = now
    session.isWorking = isWorking
  }

  /** Work that goes on is a use. */
  function countWork (session: Counted): void {
    if (session.isWorking) used(session, true)
  }

  async function readCounters (facts: SessionFacts): Promise<void> {
    const session = counted.get(facts.id)
    if (!session) return
    const totals = app.sandboxes.totals(facts)
    const traffic = await app.networkUsage.read().catch(err => app.log.warn({ err, sessionId: facts.id }, 'traffic not read'))
    count(session, (_ageMs, of) => measure(of, { ...totals, ...app.networkUsage.isCounted && { ...NO_TRAFFIC, ...traffic?.get(facts.account.uid) } }))
  }

  function saveSoon (): void {
    timer ??= setTimeout(() => {
      timer = undefined
      save() // never rejects
    }, SAVE_MS).unref()
  }

  /** Of a session that was never ready, only the summary is kept. */
  function remainsOf (of: Analytics): [partition: string, changes: Change[]][] {
    const { id, owner } = of
    const value = summaryOf(of)
    return [
      ...(value.state === 'failed' ? [] : [[analyticsOf(owner), [{ key: id, value: of }]] satisfies [string, Change[]]]),
      ...index.adding({ id, owner, at: value.endedAt, value })
    ]
  }

  /** Writes what has changed. When that fails, it is written later. */
  async function write (): Promise<void> {
    const sessions = [...changed]
    const over = [...unwritten.values()]
    changed.clear()
    for (const session of sessions) countWork(session)
    try {
      await app.records.writeEach(byPartition([
        ...sessions.map(({ of }): [string, Change[]] => [analyticsOf(of.owner), [{ key: of.id, value: of }]]),
        ...over.flatMap(remainsOf)
      ]))
      for (const { id } of over) unwritten.delete(id)
      if (isAway) app.log.info('analytics are written again')
      isAway = false
    } catch (err) {
      if (!isAway) app.log.warn({ err }, 'analytics not written: the server tries again every second')
      isAway = true
      for (const session of sessions) if (counted.get(session.of.id) === session) changed.add(session)
    }
    for (const session of sessions) if (session.isWorking && counted.get(session.of.id) === session) changed.add(session)
    if (changed.size + unwritten.size > 0) saveSoon()
  }
}

/** Counters of a uid that has had no traffic. */
const NO_TRAFFIC = { sentBytes: 0, receivedBytes: 0 }

function byPartition (changes: [partition: string, changes: Change[]][]): Map<string, Change[]> {
  const all = new Map<string, Change[]>()
  for (const [partition, some] of changes) {
    const present = all.get(partition)
    if (present) present.push(...some)
    else all.set(partition, [...some])
  }
  return all
}

export default fp(analytics, { name: 'analytics', dependencies: ['config', 'audit', 'code-updates', 'events', 'expiry', 'farewells', 'network-usage', 'registry', 'sandboxes', 'storage', 'work'] })
