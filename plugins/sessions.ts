import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { createSession, pushEveryUndo, type StepStarted } from '../src/domain/create-session.ts'
import { withHeartbeat } from '../src/domain/heartbeat.ts'
import type { EndReason, Session, SessionFacts, Template } from '../src/domain/session.ts'
import { parseFailpoint } from '../src/domain/steps.ts'
import { UndoStack } from '../src/domain/undo-stack.ts'
import { Ex10Error, failure } from '../src/errors.ts'
import type { ProgressLine } from '../src/schemas/progress.ts'
import type { CreateSessionOptions } from '../src/schemas/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions
  }
}

/** A creation that was let in: it has its slot. `create` must follow. */
export interface Admission { facts: SessionFacts, template: Template }

export interface Sessions {
  /**
   * Refuses what can be refused before anything is made, and reserves a slot.
   * @throws {Ex10Error} EX10_UNKNOWN_TEMPLATE, EX10_FIREWALL, EX10_NO_SLOT, EX10_SHUTTING_DOWN
   */
  admit (options: CreateSessionOptions): Promise<Admission>
  /**
   * Makes the session; yields progress, and last one `complete` or one `error` line. By then a failed session has
   * been undone, and so has one whose client went away, as `gone` tells.
   */
  create (admission: Admission, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined>
  /** A session that has not ended. @throws {Ex10Error} EX10_SESSION_NOT_FOUND */
  get (id: string): Session
  /** A session that takes code and viewers. @throws {Ex10Error} EX10_SESSION_NOT_FOUND, EX10_SESSION_NOT_READY */
  ready (id: string): Session
  list (): Session[]
  /** `degraded` while one of the session's services is down. */
  health (session: Session): Promise<'ok' | 'degraded'>
  /**
   * Ends the session; resolves when nothing of it is left on the machine. Calls at the same time join one teardown.
   * @throws {Ex10Error} EX10_SESSION_NOT_FOUND; any other error means that something is left, and calling again tries again
   */
  end (id: string, reason: EndReason): Promise<void>
  /** Ends the sessions whose teardown has failed once more. Resolves when all have been tried; what fails again is logged. */
  retry (): Promise<void>
}

interface Live {
  facts: SessionFacts
  /** Its teardown failed: something is left. */
  halfEnded?: EndReason
  undo: UndoStack
  abort: AbortController
  unwatch?: () => void
  ending?: Promise<void>
}

const HEARTBEAT_MS = 5000
const UNDO_MS = 20_000
const SERVICES = ['xvfb', 'xpra', 'browser', 'dev-server']

async function sessions (app: FastifyInstance): Promise<void> {
  const { registry } = app
  const failpoint = parseFailpoint(app.config.failpoint)
  const live = new Map<string, Live>()
  const creating = new Set<Promise<void>>()
  const shutdown = new AbortController()

  function newUndoStack (sessionId: string): UndoStack {
    return new UndoStack(UNDO_MS, (step, durationMs) => app.log.debug({ sessionId, step, durationMs }, 'step undone'))
  }

  async function admit ({ template: wanted, width = 1280, height = 800 }: CreateSessionOptions): Promise<Admission> {
    if (shutdown.signal.aborted) throw failure('SHUTTING_DOWN')
    const template = app.templates.get(wanted)
    const slot = await app.ports.reserve()
    try {
      const [account] = await Promise.all([app.linuxUsers.allocate(), app.firewall.verify()])
      const id = randomBytes(16).toString('hex')
      return { template, facts: { id, slot, account, template: template.name, width, height, createdAt: new Date() } }
    } catch (error) {
      app.ports.release(slot.index)
      throw error
    }
  }

  async function * create ({ facts, template }: Admission, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    const startedAt = performance.now()
    const elapsedMs = () => Math.round(performance.now() - startedAt)
    const session: Live = { facts, undo: newUndoStack(facts.id), abort: new AbortController() }
    live.set(facts.id, session)
    const { promise: over, resolve: isOver } = Promise.withResolvers<void>()
    creating.add(over)
    const signal = AbortSignal.any([gone, shutdown.signal, session.abort.signal])
    let committed = false
    try {
      const steps = createSession(app, { facts, template, undo: session.undo, signal, failpoint })
      for await (const step of withHeartbeat(steps, HEARTBEAT_MS, step => ({ ...step, elapsedMs: elapsedMs() }))) yield toLine(step)
      signal.throwIfAborted() // no await from here to the commit: whoever ends the session now ends a ready one
      commit(session)
      committed = true
      log.info({ sessionId: facts.id, account: facts.account.name, slot: facts.slot.index, durationMs: elapsedMs() }, 'session ready')
      yield { status: 'complete', data: { message: 'Session ready', sessionId: facts.id, isNew: true, url: `/session/${facts.id}/`, elapsedMs: elapsedMs() } }
    } catch (err) {
      const line = toErrorLine(signal.aborted ? signal.reason : err) // the teardown aborts the signal, too
      log.warn({ err, sessionId: facts.id }, 'session failed')
      await undoFailed(facts.id, gone.aborted ? 'client-gone' : 'failed')
      yield line
    } finally {
      // a reader that stopped reading ends this generator at a yield, without an error
      if (!committed) await undoFailed(facts.id, 'client-gone')
      creating.delete(over)
      isOver()
    }
  }

  /** Undoes a creation. What could not be undone is for the operator: the client hears of the first failure. */
  async function undoFailed (id: string, reason: EndReason): Promise<void> {
    try {
      if (live.has(id)) await end(id, reason)
    } catch (err) {
      app.log.error({ err, sessionId: id }, 'session not undone')
    }
  }

  function commit (session: Live): void {
    const { facts } = session
    registry.setState(facts.id, 'ready')
    session.unwatch = app.sandboxes.watch(facts, () => {
      app.log.error({ sessionId: facts.id }, 'sandbox died')
      end(facts.id, 'crashed').catch(err => app.log.error({ err, sessionId: facts.id }, 'session not undone'))
    })
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
    const { facts, undo } = session
    const startedAt = performance.now()
    session.abort.abort(failure('SESSION_NOT_FOUND'))
    session.unwatch?.()
    try {
      registry.setState(facts.id, 'stopping', reason)
    } catch (err) {
      app.log.error({ err, sessionId: facts.id }, 'record not written') // a full disk does not keep the session alive
    }
    try {
      await undo.run()
    } catch (error) {
      // the slot stays taken and the record open; another try runs every undo
      session.undo = newUndoStack(facts.id)
      pushEveryUndo(app, facts, session.undo)
      throw error
    }
    registry.setState(facts.id, reason === 'failed' || reason === 'client-gone' ? 'failed' : 'ended')
    live.delete(facts.id)
    app.ports.release(facts.slot.index)
    app.log.info({ sessionId: facts.id, reason, durationMs: Math.round(performance.now() - startedAt) }, 'session ended')
  }

  function get (id: string): Session {
    const session = /^[0-9a-f]{32}$/.test(id) ? registry.get(id) : undefined
    if (!session) throw failure('SESSION_NOT_FOUND')
    return session
  }

  function ready (id: string): Session {
    const session = get(id)
    if (session.state === 'creating') throw failure('SESSION_NOT_READY', { retryAfterSeconds: 1 })
    if (session.state !== 'ready') throw failure('SESSION_NOT_FOUND')
    return session
  }

  async function health (session: Session): Promise<'ok' | 'degraded'> {
    const areUp = await Promise.all(SERVICES.map(name => app.sandboxes.isServiceUp(session, name)))
    return areUp.every(Boolean) ? 'ok' : 'degraded'
  }

  async function retry (): Promise<void> {
    await Promise.all([...live].map(async ([id, { halfEnded }]) => {
      if (halfEnded) await end(id, halfEnded).catch(err => app.log.error({ err, sessionId: id }, 'session not undone'))
    }))
  }

  async function endAll (reason: EndReason): Promise<void> {
    const results = await Promise.allSettled([...live.keys()].map(id => end(id, reason)))
    for (const result of results) {
      if (result.status === 'rejected') app.log.error({ err: result.reason }, 'session not undone')
    }
  }

  app.decorate('sessions', { admit, create, get, ready, list: () => registry.live(), health, end, retry })
  app.audit.own('session', () => live.keys(), ({ id }) => [id])
  app.audit.own('half-ended session', () => [...live].filter(([, { halfEnded }]) => halfEnded).map(([id]) => `${id}, whose teardown failed`))

  // what a killed server left: its records say what to undo
  for (const { state, version, ...facts } of registry.live()) {
    app.log.warn({ sessionId: facts.id, state, version }, 'session of an earlier server: ending it')
    const undo = newUndoStack(facts.id)
    pushEveryUndo(app, facts, undo)
    live.set(facts.id, { facts, undo, abort: new AbortController() })
    app.ports.hold(facts.slot.index)
  }
  await endAll('recovered')

  app.addHook('preClose', async () => {
    shutdown.abort(failure('SHUTTING_DOWN'))
    await Promise.all(creating) // their last lines are written before the connections are closed
  })
  app.addHook('onClose', () => endAll('shutdown'))
}

function toLine (step: StepStarted): ProgressLine {
  const { message, index, of, elapsedMs } = step
  return { status: 'running', data: { message, step: step.step, index, of, elapsedMs } }
}

function toErrorLine (error: unknown): ProgressLine {
  const shown = shownTo(error)
  return { status: 'error', data: { message: shown.message, code: shown.code } }
}

/** Errors that callers can act on are shown as they are; of any other, only that it happened. */
function shownTo (error: unknown): Ex10Error {
  if (error instanceof Ex10Error) return error
  return failure((error as Error).name === 'TimeoutError' ? 'STEP_TIMEOUT' : 'STEP_FAILED')
}

export default fp(sessions, {
  name: 'sessions',
  dependencies: ['audit', 'registry', 'ports', 'linux-users', 'firewall', 'sandboxes', 'templates', 'code-updates', 'xpra', 'browser', 'dev-server']
})
