import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { clocksFrom, END_OF, expiryOf, noteOf, shownOf, type Clocks, type Expiry, type Shown } from '#domain/live/clocks.ts'
import type { EndReason, SessionFacts } from '#domain/session.ts'
import { momentNow } from '#system/kernel/boot-time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** When sessions end by themselves, and what keeps them from it. What names a session without clocks does nothing. */
    expiry: {
      /** How far an earlier server saw the session's clocks run. */
      kept (facts: SessionFacts): Promise<Clocks>
      /**
       * Runs the session's clocks until the returned function is called: new ones, unless there are some to go on from.
       * Calls `end` when one is over; it must not reject.
       */
      watch (facts: SessionFacts, end: (reason: EndReason) => Promise<void>, clocks?: Clocks): () => void
      /** A person or a program has done something with the session. */
      saw (id: string): void
      /** The session is in use as long as the work runs. Returns what the work does. */
      during<Result> (id: string, work: () => Promise<Result>): Promise<Result>
      /** Somebody looks at the session, until `closed`: no use of it by itself, unless EX10_VIEWER_COUNTS. */
      viewed (id: string, closed: Promise<void>): void
      /** A program without which the session is no use was given up; or, with false, is back. */
      givenUp (id: string, isGivenUp: boolean): void
      show (id: string): Shown | undefined
    }
  }
}

interface Watched {
  facts: SessionFacts
  clocks: Clocks
  end: (reason: EndReason) => Promise<void>
  /** Nothing is to be done before; what makes it earlier sets it to 0. */
  dueAt: number
  /** The end that was announced. */
  warned?: Expiry | undefined
}

/** The clocks are looked at no more often, whoever asks: an end comes so much late at most. */
const LEAST_MS = 200
/** What happened in so long before a kill -9 may be forgotten. */
const SAVE_MS = 10_000
/** Ends side by side: more would wait for each other. */
const AT_ONCE = 20

async function expiry (app: FastifyInstance): Promise<void> {
  const { idleTimeout, sessionTimeout, connectTimeout, givenUpTimeout, expiryWarning, checkInterval, viewerCounts } = app.config
  const limits = {
    idleMs: idleTimeout * 1000,
    sessionMs: sessionTimeout * 1000,
    connectMs: connectTimeout * 1000,
    givenUpMs: givenUpTimeout * 1000,
    warningMs: expiryWarning * 1000
  }
  const watched = new Map<string, Watched>()
  const unsaved = new Map<string, Watched>()
  let saveAt = Infinity
  let saving = Promise.resolve()
  let ending = 0
  let lookAt = Infinity
  let timer: NodeJS.Timeout | undefined

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

  /** Does what is due, and returns when to look at the session next. */
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

  /** The session is in use, by so much more or less that is under way. */
  function use (session: Watched | undefined, more = 0): void {
    if (!session || watched.get(session.facts.id) !== session) return // it has ended meanwhile
    session.clocks.activeAt = performance.now()
    session.clocks.working += more
    usedFirst(session)
    changed(session)
  }

  /** Noted at once: or the next server, after a kill -9, might take it for one that nobody ever used. */
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

  /** Says that the end that was announced does not come, if that is so. */
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
    saveAt = unsaved.size > 0 ? performance.now() + SAVE_MS : Infinity // what is under way goes on
    note(sessions)
  }

  function note (sessions: Watched[]): void {
    saving = Promise.all([saving, write(sessions)]).then(() => {})
  }

  /** Writes how far the clocks are now. When that fails they go on, and are written later. */
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
    return { ...newClocks(now), isUsed: true } // of an earlier version: as far as anybody knows, it was used
  }

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
        if (watched.size === 0) stop()
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
    show (id) {
      const session = watched.get(id)
      return session && shownOf(session.clocks, limits, performance.now())
    }
  } satisfies FastifyInstance['expiry'])

  function stop (): void {
    clearTimeout(timer)
    lookAt = saveAt = Infinity
  }

  app.addHook('preClose', async () => {
    if (unsaved.size > 0) save() // sessions may stay
    await saving
  })
}

function newClocks (now: number): Clocks {
  return { readyAt: now, activeAt: now, working: 0, isUsed: false }
}

export default fp(expiry, { name: 'expiry', dependencies: ['config', 'audit', 'registry', 'events'] })
