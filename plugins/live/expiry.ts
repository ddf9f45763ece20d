import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { clockLimitsOf, clocksFrom, END_OF, expiryOf, newClocks, noteOf, shownOf, type Clocks, type Expiry, type Shown } from '#domain/live/clocks.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { EndReason, SessionFacts } from '#domain/session.ts'
import { momentNow } from '#system/kernel/boot-time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends sessions by their clocks; use of a session delays that. A call for a session without clocks does nothing. */
    expiry: {
      /** The session's clocks as an earlier server saved them. */
      kept (facts: SessionFacts): Promise<Clocks>
      /**
       * Runs the session's clocks until the returned function is called: `clocks`, or else new ones.
       * Calls `end`, which must not reject, when a clock is over.
       */
      watch (facts: SessionFacts, end: (reason: EndReason) => Promise<void>, clocks?: Clocks): () => void
      /** Notes a use of the session by a person or a program. */
      saw (id: string): void
      /** Counts the session as used for as long as the work runs. Resolves and rejects as the work does. */
      during<Result> (id: string, work: () => Promise<Result>): Promise<Result>
      /** Counts a viewer until `closed` resolves. A viewer is a use of the session only with EX10_VIEWER_COUNTS. */
      viewed (id: string, closed: Promise<void>): void
      /** Notes that a program which the session needs was given up, or, with false, that it is back. */
      givenUp (id: string, isGivenUp: boolean): void
      /** Ends all sessions, also those that become ready until then, in so many milliseconds; with undefined, no longer. */
      drain (inMs?: number): void
      show (id: string): Shown | undefined
      /** Calls `listener`, which must not throw, at every use of a session: `isWorking` while work for it runs. */
      onUse (listener: (id: string, isWorking: boolean) => void): void
    }
  }
}

interface Watched {
  facts: SessionFacts
  clocks: Clocks
  end: (reason: EndReason) => Promise<void>
  /** The time of the next work for this session. A change that may bring it forward sets it to 0. */
  dueAt: number
  /** The end that an `expiring` event has announced. */
  warned?: Expiry | undefined
}

/** The least time between two looks at the clocks, so that an end comes at most this late. */
const LEAST_MS = 200
/** The time between two saves: a kill -9 loses the changes of at most this time. */
const SAVE_MS = 10_000
/** The most sessions that end at a time: more would wait for each other. */
const AT_ONCE = 20

async function expiry (app: FastifyInstance): Promise<void> {
  const { checkInterval, viewerCounts } = app.config
  const limits = clockLimitsOf(app.config)
  const watched = new Map<string, Watched>()
  const unsaved = new Map<string, Watched>()
  const users = new Listeners<[id: string, isWorking: boolean]>()
  let saveAt = Infinity
  let saving = Promise.resolve()
  let ending = 0
  let lookAt = Infinity
  let timer: NodeJS.Timeout | undefined

  app.audit.own('clock', () => watched.keys(), ({ id }) => [id])
  app.decorate('expiry', {
    kept,
    watch (facts, end, clocks = newClocks(performance.now())) {
      const session: Watched = { facts, clocks, end, dueAt: 0 }
      watched.set(facts.id, session)
      note([session])
      lookBy(performance.now())
      return () => {
        watched.delete(facts.id)
        unsaved.delete(facts.id)
        if (watched.size > 0) return
        clearTimeout(timer)
        lookAt = saveAt = Infinity
      }
    },
    saw: id => use(watched.get(id)),
    async during (id, work) {
      const session = watched.get(id)
      use(session, 1)
      try {
        return await work()
      } finally {
        use(session, -1)
        if (session) session.dueAt = 0 // the idle clock runs again
        lookBy(performance.now())
      }
    },
    viewed (id, closed) {
      const session = watched.get(id)
      if (!session) return
      usedFirst(session)
      changed(session)
      if (viewerCounts) app.expiry.during(id, () => closed).catch(err => app.log.error({ err, sessionId: id }, 'viewer count failed'))
    },
    givenUp (id, isGivenUp) {
      const session = watched.get(id)
      if (!session) return
      const now = performance.now()
      session.clocks.givenUpAt = isGivenUp ? now : undefined
      if (session.warned) takeBack(session, session.warned, now)
      session.dueAt = 0
      lookBy(now)
    },
    drain (inMs) {
      const now = performance.now()
      limits.drain = inMs === undefined ? undefined : { since: now, at: now + inMs }
      for (const session of watched.values()) {
        session.dueAt = 0
        if (session.warned) takeBack(session, session.warned, now)
      }
      lookBy(now)
    },
    show (id) {
      const session = watched.get(id)
      return session && shownOf(session.clocks, limits, performance.now())
    },
    onUse (listener) { users.add(listener) }
  } satisfies FastifyInstance['expiry'])

  app.addHook('preClose', async () => {
    if (unsaved.size > 0) save() // sessions may outlive this server
    await saving
  })

  function lookBy (at: number): void {
    if (at >= lookAt || watched.size === 0) return
    clearTimeout(timer)
    lookAt = at
    timer = setTimeout(look, Math.max(LEAST_MS, Math.ceil(at - performance.now())))
  }

  function look (): void {
    const now = performance.now()
    let next = now + checkInterval * 1000
    for (const session of watched.values()) {
      if (session.dueAt <= now) session.dueAt = advance(session, now)
      next = Math.min(next, session.dueAt)
    }
    if (now >= saveAt) save()
    lookAt = Infinity
    lookBy(Math.min(next, saveAt))
  }

  /** Does the work that is due, and returns the time of the session's next work. */
  function advance (session: Watched, now: number): number {
    const expiry = expiryOf(session.clocks, limits)
    if (!expiry) return Infinity
    if (expiry.at <= now) return expire(session, expiry, now)
    const isTold = session.warned && session.warned.at <= expiry.at
    if (isTold || limits.warningMs === 0) return expiry.at
    if (expiry.warnAt > now) return expiry.warnAt
    session.warned = expiry
    tell(session, 'expiring', expiry, now)
    return expiry.at
  }

  function expire ({ facts, end }: Watched, { because }: Expiry, now: number): number {
    if (ending >= AT_ONCE) return now
    ending++
    app.log.info({ sessionId: facts.id, because }, 'session expires')
    end(END_OF[because]).finally(() => { ending-- })
    return Infinity
  }

  function tell ({ facts }: Watched, type: 'expiring' | 'extended', expiry: Expiry | undefined, now: number): void {
    const at = expiry && new Date(Date.now() + expiry.at - now).toISOString()
    const message = type === 'extended' ? 'The session goes on' : `The session ends at ${at}: ${expiry?.because}`
    app.events.publish(facts, { type, message, ...(expiry && { expiresAt: at, expiresBecause: expiry.because }) })
  }

  /** Notes a use of the session, and changes the number of its running tasks by `more`. */
  function use (session: Watched | undefined, more = 0): void {
    if (!session || watched.get(session.facts.id) !== session) return // it has ended meanwhile
    session.clocks.activeAt = performance.now()
    session.clocks.working += more
    usedFirst(session)
    changed(session)
    users.tell(session.facts.id, session.clocks.working > 0)
  }

  /** Saves a first use at once: otherwise, after a kill -9, the next server could take the session for an unused one. */
  function usedFirst ({ clocks }: Watched): void {
    if (!clocks.isUsed) saveBy(performance.now())
    clocks.isUsed = true
  }

  function changed (session: Watched): void {
    saveLater(session)
    if (session.warned) takeBack(session, session.warned, performance.now())
  }

  function saveLater (session: Watched): void {
    unsaved.set(session.facts.id, session)
    if (saveAt === Infinity) saveBy(performance.now() + SAVE_MS)
  }

  /** Publishes `extended` when the session's end is now later than the announced one. */
  function takeBack (session: Watched, warned: Expiry, now: number): void {
    const expiry = expiryOf(session.clocks, limits)
    if (expiry && expiry.at <= warned.at) return
    session.warned = undefined
    session.dueAt = 0
    tell(session, 'extended', expiry, now)
    lookBy(now)
  }

  function saveBy (at: number): void {
    saveAt = at
    lookBy(at)
  }

  function save (): void {
    const sessions = [...unsaved.values()]
    for (const [id, { clocks }] of unsaved) if (clocks.working === 0) unsaved.delete(id)
    saveAt = unsaved.size > 0 ? performance.now() + SAVE_MS : Infinity // running tasks change the clocks again
    note(sessions)
  }

  function note (sessions: Watched[]): void {
    saving = Promise.all([saving, write(sessions)]).then(() => {})
  }

  /** Writes the state of the clocks. When that fails, the clocks run on and are written later. */
  async function write (sessions: Watched[]): Promise<void> {
    const now = performance.now()
    try {
      const moment = momentNow()
      await app.registry.clocks.note(sessions.map(({ facts, clocks }) => [facts.id, noteOf(clocks, now, moment)]))
    } catch (err) {
      app.log.error({ err }, 'clock write failed')
      for (const session of sessions) if (watched.get(session.facts.id) === session) saveLater(session)
    }
  }

  async function kept ({ id }: SessionFacts): Promise<Clocks> {
    const found = await app.registry.clocks.noted(id)
    const now = performance.now()
    if (found) return clocksFrom(found, now, momentNow())
    return { ...newClocks(now), isUsed: true } // a session of an earlier version, without saved clocks: count it as used
  }
}

export default fp(expiry, { name: 'expiry', dependencies: ['config', 'audit', 'registry', 'events'] })
