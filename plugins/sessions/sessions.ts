import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { pushEveryUndo } from '#domain/sessions/create-session.ts'
import { parseFailpoint } from '#domain/sessions/failpoint.ts'
import type { Clocks } from '#domain/live/clocks.ts'
import type { Begun, Sessions } from '#domain/sessions/live-sessions.ts'
import type { EndReason, Session, SessionFacts } from '#domain/session.ts'
import { UndoStack } from '#domain/sessions/undo-stack.ts'
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
  /** Its teardown has failed; this is why it was to end. */
  halfEnded?: EndReason
}

/** More side by side would wait for each other until their steps' time is over. */
const ENDED_AT_ONCE = 20

/** The sessions that live: what was made is in their charge until it has been undone. */
async function sessions (app: FastifyInstance): Promise<void> {
  const { registry } = app
  const stepMs = app.config.stepTimeout * 1000
  const failpoint = failpointOf(parseFailpoint(app.config.failpoint))
  const live = new Map<string, Live>()

  function newUndoStack (sessionId: string): UndoStack {
    return new UndoStack(stepMs, (step, durationMs) => app.log.debug({ sessionId, step, durationMs }, 'step undone'))
  }

  function undoEverything (facts: SessionFacts): UndoStack {
    const undo = newUndoStack(facts.id)
    pushEveryUndo(app, facts, failpoint, undo)
    return undo
  }

  function begin (facts: SessionFacts): Begun {
    const session: Live = { facts, undo: newUndoStack(facts.id), abort: new AbortController(), wasReady: false }
    live.set(facts.id, session)
    return {
      undo: session.undo,
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
    const unsupervise = app.supervision.watch(facts, app.templates.get(facts.template), () => {
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
      session.halfEnded = reason
      throw error
    })
    return session.ending
  }

  /** The one teardown: of sessions that were deleted, failed, crashed, were left by an earlier server, or at the end of this one. */
  async function tearDown (session: Live, reason: EndReason): Promise<void> {
    const { facts } = session
    const startedAt = performance.now()
    session.abort.abort(failure('SESSION_NOT_FOUND'))
    session.unwatch?.()
    await writeStopping(facts, reason)
    try {
      await session.undo.run()
    } catch (error) {
      session.undo = undoEverything(facts) // the slot stays taken and the record open; another try runs every undo
      throw error
    }
    app.shares.forget(facts.id)
    await failpoint('ended', 'before', AbortSignal.timeout(stepMs))
    const state = session.wasReady ? 'ended' : 'failed'
    await registry.ended(facts.id, state)
    live.delete(facts.id)
    app.events.publish(facts, { type: state, reason, message: `The session has ${state}: ${reason}` }) // who counts places counts this one
    app.events.close(facts)
    app.ports.release(facts.slot.index)
    app.places.release(facts.id)
    app.log.info({ sessionId: facts.id, reason, durationMs: Math.round(performance.now() - startedAt) }, 'session ended')
    await failpoint('ended', 'after', AbortSignal.timeout(stepMs))
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

  /** Takes over what a server before this one left: what lives goes on, and all else is ended. */
  async function takeOver (): Promise<void> {
    const left = registry.live()
    for (const { state, version, reason, ...facts } of left) {
      live.set(facts.id, { facts, undo: undoEverything(facts), abort: new AbortController(), wasReady: state !== 'creating' })
      app.ports.hold(facts.slot.index)
      app.places.hold(facts)
    }
    const over = await Promise.all(left.map(async (session): Promise<[id: string, reason: EndReason][]> => {
      const problem = await whyNotAdopted(session)
      if (problem === undefined) {
        await adopt(live.get(session.id)!)
        return []
      }
      app.log.warn({ sessionId: session.id, state: session.state, problem }, 'session of an earlier server: ending it')
      return [[session.id, session.reason ?? 'recovered']] // one that was being ended has a reason
    }))
    await endEach(over.flat()) // some side by side: after a crash of the machine, that may be hundreds
  }

  async function whyNotAdopted ({ state, ...facts }: Session): Promise<string | undefined> {
    if (state !== 'ready') return `it was ${state}`
    if (!app.sandboxes.watch(facts).isAlive()) return 'its sandbox is dead'
    if (!await app.linuxUsers.exists(facts.account)) return 'its account is gone, or outside the range'
    if (!app.ports.isSlot(facts.slot)) return 'its ports are not those of a slot any more'
    if (!app.templates.has(facts.template)) return 'its template is gone'
    if (facts.devServer !== app.templates.get(facts.template).devServer) return 'its dev server is one of another version'
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

  app.decorate('sessions', {
    begin,
    get,
    ready,
    list: () => registry.live(),
    end,
    endAll,
    retry: () => endEach([...live].flatMap(([id, { halfEnded }]) => halfEnded ? [[id, halfEnded]] : []))
  })
  app.audit.own('session', () => live.keys(), ({ id }) => [id])
  app.audit.own('half-ended session', () => [...live].filter(([, { halfEnded }]) => halfEnded).map(([id]) => `${id}, whose teardown failed`))
  app.firewall.onAlarm((state, message) => {
    for (const { facts } of live.values()) app.events.publish(facts, { type: `firewall-${state}`, message })
  })
  await takeOver()
  app.addHook('onClose', shutDown)
}

export default fp(sessions, {
  name: 'sessions',
  dependencies: ['config', 'audit', 'registry', 'ports', 'places', 'linux-users', 'homes', 'firewall', 'sandboxes', 'templates', 'code-updates', 'xpra', 'browser', 'dev-server', 'events', 'expiry', 'shares', 'supervision']
})
