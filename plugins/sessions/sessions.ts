import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { originOf } from '#domain/sessions/remembered.ts'
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
  /** The reason of its end, set when its teardown begins. */
  reason?: EndReason
}

/** The most teardowns at a time: more would wait for each other until their steps time out. */
const ENDED_AT_ONCE = 20

/** The live sessions. Each one owns the things that were made for it until they have been undone. */
async function sessions (app: FastifyInstance): Promise<void> {
  const { registry } = app
  const stepMs = app.config.stepTimeout * 1000
  const failpoint = failpointOf(parseFailpoint(app.config.failpoint))
  const live = new Map<string, Live>()
  const endings = new Listeners<[SessionFacts, EndReason]>()
  let hasStarted = false

  app.decorate('sessions', {
    newUndo,
    begin,
    get,
    ready,
    list: () => registry.live(),
    onEnding: listener => { endings.add(listener) },
    end,
    endAll,
    retry: () => endEach(halfEnded()),
    shutDown
  })
  app.audit.own('session', () => live.keys(), ({ id }) => [id])
  app.audit.own('half-ended session', () => halfEnded().map(([id]) => `${id}, whose teardown failed`))
  app.addHook('onReady', takeOver)
  app.addHook('onListen', async () => { hasStarted = true })
  app.addHook('onClose', shutDown) // ends sessions that were made since `shutDown` in `preClose`

  function newUndo (sessionId: string): UndoStack {
    const undo = new UndoStack(stepMs, (step, ms, error) => app.work.undone(sessionId, step, ms, error))
    undo.push('reserve', () => app.reservations.release(sessionId), 'last')
    return undo
  }

  /** Adds a live session. Its end is written and published when everything but its reservation has been undone. */
  function take (facts: SessionFacts, undo: UndoStack, wasReady: boolean): Live {
    const session: Live = { facts, undo, abort: new AbortController(), wasReady }
    undo.push('ended', signal => conclude(session, signal), 'last')
    live.set(facts.id, session)
    return session
  }

  /** Fills the undo stack with every undo, for a session whose leftovers are unknown. */
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
        app.events.publish(facts, { type: 'ready', message: facts.recoveredFrom ? `Session ready: it goes on from ${facts.recoveredFrom} as that was at ${facts.recoveredAt}` : 'Session ready', ...originOf(facts) })
        watch(session)
      }),
      fail: async reason => {
        if (live.has(facts.id)) await endOrLog(facts.id, reason)
      }
    }
  }

  /** Starts supervision and clocks. The clocks of an adopted session continue from `clocks`. */
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
    await end(id, reason).catch(err => app.log.error({ err, sessionId: id }, 'teardown failed'))
  }

  function end (id: string, reason: EndReason): Promise<void> {
    const session = live.get(id)
    if (!session) return Promise.reject(failure('SESSION_NOT_FOUND'))
    session.ending ??= app.work.tearDown(id, reason, () => tearDown(session, reason)).catch(error => {
      delete session.ending // the next call tries again
      throw error
    })
    return session.ending
  }

  /** The one teardown of sessions: after a delete, a failure, a crash or an expiry, of an earlier server's leftovers, and when this server closes. */
  async function tearDown (session: Live, reason: EndReason): Promise<void> {
    const { facts } = session
    const startedAt = performance.now()
    session.reason = reason
    session.abort.abort(failure('SESSION_NOT_FOUND'))
    session.unwatch?.()
    endings.tell(facts, reason)
    await writeStopping(facts, reason)
    if (session.wasReady) await app.farewells.say(facts, reason)
    try {
      await session.undo.run()
    } catch (error) {
      undoEverything(session) // the slot stays taken and the record open; another try runs every undo
      throw (error as UndoFailed).of('ended') ?? error // when only the record could not be closed, throw the reason of that
    }
    live.delete(facts.id)
    app.log.info({ sessionId: facts.id, reason, durationMs: Math.round(performance.now() - startedAt) }, 'session ended')
    await failpoint('ended', 'after', AbortSignal.timeout(stepMs))
  }

  /** Writes and publishes the end of a session of which the machine holds nothing. Its slot is released only after the write, so that a next server never finds two sessions with one slot. */
  async function conclude ({ facts, wasReady, reason }: Live, signal: AbortSignal): Promise<void> {
    await Promise.all([app.shares.forget(facts.id), app.leavings.settle(facts.id)])
    await failpoint('ended', 'before', signal)
    const state = wasReady ? 'ended' : 'failed'
    await registry.ended(facts.id, state)
    signal.throwIfAborted() // timed out: the next try publishes the end
    app.events.publish(facts, { type: state, reason, message: `The session has ${state}: ${reason}` }) // the session's place is still taken for readers of this event
    app.events.close(facts)
  }

  async function writeStopping ({ id }: SessionFacts, reason: EndReason): Promise<void> {
    try {
      await failpoint('stopping', 'before', AbortSignal.timeout(stepMs))
      await registry.stopping(id, reason)
      await failpoint('stopping', 'after', AbortSignal.timeout(stepMs))
    } catch (err) {
      app.log.error({ err, sessionId: id }, 'session record write failed') // a full disk does not keep the session alive
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

  /** Takes over the sessions of an earlier server, before this one listens: adopts the intact ones and ends all others. */
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
      app.log.warn({ sessionId: session.id, state: session.state, problem }, 'session of an earlier server not adopted')
      return [[session.id, session.reason ?? 'recovered']] // a session that was being ended has its reason already
    }))
    await endEach(over.flat()) // several at a time: after a crash of the machine there may be hundreds
  }

  async function adopt (session: Live): Promise<void> {
    const { facts } = session
    const [past, clocks] = await Promise.all([app.events.kept(facts), app.expiry.kept(facts)])
    await app.snapshots.claim(facts).catch(err => app.log.error({ err, sessionId: facts.id }, 'session not noted as live'))
    app.events.open(facts, past)
    app.events.publish(facts, { type: 'adopted', message: 'The server was restarted and has taken over the session' })
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

  /** A server whose start fails leaves the sessions of an earlier server to the next one. */
  async function shutDown (): Promise<void> {
    const kept = app.config.onShutdown === 'keep' || !hasStarted ? registry.live().filter(({ state }) => state === 'ready').map(({ id }) => id) : []
    for (const { facts, unwatch } of kept.flatMap(id => live.get(id) ?? [])) {
      unwatch?.()
      app.codeUpdates.stop(facts)
    }
    await endAll([...live.keys()].filter(id => !kept.includes(id)), 'shutdown')
  }

  /** The sessions whose teardown has failed. */
  function halfEnded (): [id: string, reason: EndReason][] {
    return [...live].flatMap(([id, { reason, ending }]) => reason && !ending ? [[id, reason]] : [])
  }
}

export default fp(sessions, {
  name: 'sessions',
  // the last three record the end of every session: named here, they close after this plugin
  dependencies: ['config', 'audit', 'registry', 'ports', 'reservations', 'linux-users', 'homes', 'firewall', 'sandboxes', 'templates', 'code-updates', 'programs', 'events', 'expiry', 'farewells', 'leavings', 'shares', 'snapshots', 'supervision', 'work', 'audit-log', 'statistics', 'analytics']
})
