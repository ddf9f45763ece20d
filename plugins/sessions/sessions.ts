import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { pushEveryUndo } from '#domain/sessions/create-session.ts'
import { parseFailpoint } from '#domain/sessions/failpoint.ts'
import { whyNotAdopted } from '#domain/sessions/adoption.ts'
import type { Clocks } from '#domain/live/clocks.ts'
import type { Begun, Sessions } from '#domain/sessions/live-sessions.ts'
import type { EndReason, Session, SessionFacts } from '#domain/session.ts'
import { UndoStack, type UndoFailed } from '#domain/sessions/undo-stack.ts'
import { failure } from '#errors.ts'
import { failpointOf } from '#system/sessions/inject-failure.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions
  }
}

interface Live {
  facts: SessionFacts
  undo: UndoStack
  abort: AbortController
  wasReady: boolean
  unwatch?: () => void
  ending?: Promise<void>
  /** Why it ends, once its teardown has begun. */
  reason?: EndReason
}

/** More side by side would wait for each other until their steps' time is over. */
const ENDED_AT_ONCE = 20

/** The sessions that live: what was made is in their charge until it has been undone. */
async function sessions (app: FastifyInstance): Promise<void> {
  const { registry } = app
  const stepMs = app.config.stepTimeout * 1000
  const failpoint = failpointOf(parseFailpoint(app.config.failpoint))
  const live = new Map<string, Live>()
  const endings = new Listeners<[SessionFacts, EndReason]>()

  app.decorate('sessions', {
    newUndo,
    begin,
    get,
    ready,
    list: () => registry.live(),
    onEnding: hear => { endings.add(hear) },
    end,
    endAll,
    retry: () => endEach(halfEnded()),
    shutDown
  })
  app.audit.own('session', () => live.keys(), ({ id }) => [id])
  app.audit.own('half-ended session', () => halfEnded().map(([id]) => `${id}, whose teardown failed`))
  app.firewall.onAlarm((state, message) => {
    for (const { facts } of live.values()) app.events.publish(facts, { type: `firewall-${state}`, message })
  })
  app.addHook('onReady', takeOver)
  app.addHook('onClose', shutDown) // the sessions made since, or all of them when the start has failed

  function newUndo (sessionId: string): UndoStack {
    const undo = new UndoStack(stepMs, (step, durationMs) => app.log.debug({ sessionId, step, durationMs }, 'step undone'))
    undo.push('reserve', () => app.reservations.release(sessionId), 'last')
    return undo
  }

  /** Takes charge of a session. Its end is written and told when all is undone but its reservation. */
  function take (facts: SessionFacts, undo: UndoStack, wasReady: boolean): Live {
    const session: Live = { facts, undo, abort: new AbortController(), wasReady }
    undo.push('ended', signal => conclude(session, signal), 'last')
    live.set(facts.id, session)
    return session
  }

  /** What is left of it may be anything. */
  function undoEverything (session: Live): void {
    session.undo = newUndo(session.facts.id)
    session.undo.push('ended', signal => conclude(session, signal), 'last')
    pushEveryUndo(app, session.facts, failpoint, session.undo)
  }

  function begin (facts: SessionFacts, undo: UndoStack): Begun {
    const session = take(facts, undo, false)
    return {
      failpoint,
      signal: session.abort.signal,
      commit: signal => registry.ready(facts, AbortSignal.any([signal, session.abort.signal]), () => {
        session.wasReady = true
        app.events.open(facts)
        app.events.publish(facts, { type: 'ready', message: 'Session ready' })
        watch(session)
      }),
      fail: async reason => {
        if (live.has(facts.id)) await endOrLog(facts.id, reason)
      }
    }
  }

  /** Those of a session of an earlier server go on from its clocks. */
  function watch (session: Live, clocks?: Clocks): void {
    const { facts } = session
    const unsupervise = app.supervision.watch(facts, () => {
      app.log.error({ sessionId: facts.id }, 'sandbox died')
      endOrLog(facts.id, 'crashed') // never rejects
    })
    app.codeUpdates.follow(facts, clocks !== undefined)
    const stopClocks = app.expiry.watch(facts, reason => endOrLog(facts.id, reason), clocks)
    session.unwatch = () => {
      unsupervise()
      stopClocks()
    }
  }

  async function endOrLog (id: string, reason: EndReason): Promise<void> {
    try {
      await end(id, reason)
    } catch (err) {
      app.log.error({ err, sessionId: id }, 'teardown failed')
    }
  }

  function end (id: string, reason: EndReason): Promise<void> {
    const session = live.get(id)
    if (!session) return Promise.reject(failure('SESSION_NOT_FOUND'))
    session.ending ??= tearDown(session, reason).catch(error => {
      delete session.ending // who asks again tries again
      throw error
    })
    return session.ending
  }

  /** The one teardown: of sessions that were deleted, failed, crashed, were left by an earlier server, or at the end of this one. */
  async function tearDown (session: Live, reason: EndReason): Promise<void> {
    const { facts } = session
    const startedAt = performance.now()
    session.reason = reason
    session.abort.abort(failure('SESSION_NOT_FOUND'))
    session.unwatch?.()
    endings.tell(facts, reason)
    await writeStopping(facts, reason)
    try {
      await session.undo.run()
    } catch (error) {
      undoEverything(session) // the slot stays taken and the record open; another try runs every undo
      throw (error as UndoFailed).of('ended') ?? error // a record that cannot be closed is all that is left: its caller hears why
    }
    live.delete(facts.id)
    app.log.info({ sessionId: facts.id, reason, durationMs: Math.round(performance.now() - startedAt) }, 'session ended')
    await failpoint('ended', 'after', AbortSignal.timeout(stepMs))
  }

  /** Nothing of the session is left on the machine. Its slot is given back only when that is written: the next server must not find two that have it. */
  async function conclude ({ facts, wasReady, reason }: Live, signal: AbortSignal): Promise<void> {
    await app.shares.forget(facts.id)
    await failpoint('ended', 'before', signal)
    const state = wasReady ? 'ended' : 'failed'
    await registry.ended(facts.id, state)
    signal.throwIfAborted() // too late: the next try tells of it
    app.events.publish(facts, { type: state, reason, message: `The session has ${state}: ${reason}` }) // who counts places counts this one
    app.events.close(facts)
  }

  async function writeStopping ({ id }: SessionFacts, reason: EndReason): Promise<void> {
    try {
      await failpoint('stopping', 'before', AbortSignal.timeout(stepMs))
      await registry.stopping(id, reason)
      await failpoint('stopping', 'after', AbortSignal.timeout(stepMs))
    } catch (err) {
      app.log.error({ err, sessionId: id }, 'record not written') // a full disk does not keep the session alive
    }
  }

  function get (id: string): Session {
    const session = registry.get(id)
    if (!session) throw failure('SESSION_NOT_FOUND')
    return session
  }

  function ready (id: string): Session {
    const session = get(id)
    if (session.state === 'creating') throw failure('SESSION_NOT_READY')
    if (session.state !== 'ready') throw failure('SESSION_NOT_FOUND')
    return session
  }

  /** Takes over what a server before this one left, before this one listens: what lives goes on, and all else is ended. */
  async function takeOver (): Promise<void> {
    const left = registry.live()
    for (const { state, version, reason, ...facts } of left) {
      const session = take(facts, newUndo(facts.id), state !== 'creating')
      pushEveryUndo(app, facts, failpoint, session.undo)
      app.reservations.hold(facts)
    }
    const over = await Promise.all(left.map(async (session): Promise<[id: string, reason: EndReason][]> => {
      const problem = await whyNotAdopted(app, session)
      if (problem === undefined) {
        await adopt(live.get(session.id)!)
        return []
      }
      app.log.warn({ sessionId: session.id, state: session.state, problem }, 'session of an earlier server: ending it')
      return [[session.id, session.reason ?? 'recovered']] // one that was being ended has a reason
    }))
    await endEach(over.flat()) // some side by side: after a crash of the machine, that may be hundreds
  }

  async function adopt (session: Live): Promise<void> {
    const { facts } = session
    const [past, clocks] = await Promise.all([app.events.kept(facts), app.expiry.kept(facts)])
    app.events.open(facts, past)
    app.events.publish(facts, { type: 'adopted', message: 'The server was started again, and goes on with the session' })
    watch(session, clocks)
    app.log.info({ sessionId: facts.id, account: facts.account.name }, 'session adopted')
  }

  function endAll (ids: string[], reason: EndReason): Promise<void> {
    return endEach(ids.map(id => [id, reason]))
  }

  async function endEach (ends: [id: string, reason: EndReason][]): Promise<void> {
    const left = [...ends]
    while (left.length > 0) await Promise.all(left.splice(0, ENDED_AT_ONCE).map(([id, reason]) => endOrLog(id, reason)))
  }

  async function shutDown (): Promise<void> {
    const kept = app.config.onShutdown === 'keep' ? registry.live().filter(({ state }) => state === 'ready').map(({ id }) => id) : []
    for (const { facts, unwatch } of kept.flatMap(id => live.get(id) ?? [])) {
      unwatch?.()
      app.codeUpdates.stop(facts)
    }
    await endAll([...live.keys()].filter(id => !kept.includes(id)), 'shutdown')
  }

  /** Those whose teardown has failed. */
  function halfEnded (): [id: string, reason: EndReason][] {
    return [...live].flatMap(([id, { reason, ending }]) => reason && !ending ? [[id, reason]] : [])
  }
}

export default fp(sessions, {
  name: 'sessions',
  // the last two note the end of every session: named here, they close after it
  dependencies: ['config', 'audit', 'registry', 'ports', 'reservations', 'linux-users', 'homes', 'firewall', 'sandboxes', 'templates', 'code-updates', 'programs', 'events', 'expiry', 'shares', 'supervision', 'audit-log', 'statistics']
})
