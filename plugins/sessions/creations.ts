import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { FirstFiles } from '#domain/sessions/capabilities.ts'
import { createSession, type Creation, type StepStarted } from '#domain/sessions/create-session.ts'
import { originOf, type Remembered } from '#domain/sessions/remembered.ts'
import { withHeartbeat } from '#domain/concurrency/heartbeat.ts'
import type { ClientContext, KeyedRequest, Requester, SessionFacts, Template } from '#domain/session.ts'
import type { Turn } from '#domain/sessions/turn.ts'
import type { UndoStack } from '#domain/sessions/undo-stack.ts'
import { failure, shownAs } from '#errors.ts'
import type { ProgressLine } from '#schemas/progress.ts'
import type { CreateSessionOptions } from '#schemas/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Creates sessions. */
    creations: {
      /**
       * Refuses a creation where that is possible before anything is made, else reserves a place, a slot and a home. When the
       * places are taken, the admission may hold a turn to wait for. `own` are the session's first files, in place of the template's;
       * `request` is kept with the session; `remembered` is what it goes on from.
       * @throws {Ex10Error} EX10_DRAINING, EX10_STORE_UNAVAILABLE, EX10_UNKNOWN_TEMPLATE, EX10_FIREWALL, EX10_NO_DISK, EX10_NO_SLOT, EX10_SHUTTING_DOWN, and the errors of `admission.enter`
       */
      admit (requester: Requester, options: CreateSessionOptions, own?: FirstFiles, request?: KeyedRequest, remembered?: Remembered): Promise<Admission>
      /**
       * Makes the session when its turn has come. Yields progress, and last one `complete` or one `error` line. A failed
       * session has been undone before that line, and so has one whose client closed the connection, which aborts `gone`.
       */
      create (admission: Admission, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined>
      /** The `complete` line of a creation that this request has completed earlier. @throws {Ex10Error} EX10_KEY_REUSED when the body differs */
      completedBy (request: KeyedRequest): Promise<ProgressLine | undefined>
      /** Ends all creations of a user, including those without a record yet. Their clients read EX10_ENDED_BY_ADMIN. */
      turnAway (user: string): void
    }
  }
}

/** An admitted creation: it has its slot and all its facts, or a turn to wait for. `create` must follow. */
export type Admission = Admitted | Queued
interface Admitted extends Wanted { facts: SessionFacts }
interface Queued extends Wanted { turn: Turn, wish: Wish }
interface Wanted {
  context: ClientContext
  template: Template
  own: FirstFiles | undefined
  remembered: Remembered | undefined
  order: Order
  /** The undo stack of everything that the session has so far. */
  undo: UndoStack
}

/** A creation, from its request until it is over. */
interface Order { owner: string, turnedAway: AbortController }

/** The facts of a session that are known from the request on. */
type Wish = Omit<SessionFacts, 'slot' | 'account' | 'createdAt'>

const HEARTBEAT_MS = 5000

async function creations (app: FastifyInstance): Promise<void> {
  const running = new Set<Promise<void>>()
  const orders = new Set<Order>()
  const shutdown = new AbortController()

  app.decorate('creations', { admit, create, completedBy, turnAway })

  app.addHook('preClose', async () => {
    shutdown.abort(failure('SHUTTING_DOWN'))
    await Promise.all(running) // their last lines are written before the connections are closed
  })

  async function admit ({ user: owner, address, port, isAuthenticated, context = {} }: Requester, { template: wanted, width = 1280, height = 800, profile = false }: CreateSessionOptions, own?: FirstFiles, request?: KeyedRequest, remembered?: Remembered): Promise<Admission> {
    for (const signal of [shutdown.signal, app.drain.signal]) signal.throwIfAborted()
    await app.storeLink.check()
    const template = app.templates.get(wanted)
    const wish: Wish = { id: randomBytes(16).toString('hex'), owner, address, ...(port !== undefined && { port }), isAuthenticated, template: template.name, devServer: template.devServer, width, height, ...(request && { request }), ...remembered?.from, ...(profile && { keepsProfile: true }) }
    const order: Order = { owner, turnedAway: new AbortController() }
    const undo = app.sessions.newUndo(wish.id)
    orders.add(order)
    app.work.tell({ sessionId: wish.id, work: 'creation', type: 'begun' })
    try {
      const wanted: Wanted = { context, template, own, remembered, order, undo }
      const turn = await app.admission.enter(wish)
      return turn ? { ...wanted, turn, wish } : { ...wanted, facts: await decide(wish, wanted) }
    } catch (error) {
      orders.delete(order)
      await undo.run()
      app.work.tell({ sessionId: wish.id, work: 'creation', type: 'over', code: shownAs(error, 'INTERNAL').code })
      throw error
    }
  }

  /** Decides the remaining facts of a session that has its place: slot, account, time. */
  async function decide (wish: Wish, { order: { turnedAway }, remembered }: Wanted): Promise<SessionFacts> {
    const startedAt = performance.now()
    const slot = await app.reservations.complete(wish.id, remembered?.devServerPort)
    const [account] = await Promise.all([app.linuxUsers.allocate(), app.firewall.verify(), app.storeLink.check()])
    turnedAway.signal.throwIfAborted()
    app.work.done(wish.id, 'reserve', performance.now() - startedAt)
    return { ...wish, slot, account, createdAt: new Date() }
  }

  async function * create (admission: Admission, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    const { promise: over, resolve: isOver } = Promise.withResolvers<void>()
    let last: ProgressLine | undefined
    running.add(over)
    try {
      for await (const line of lines(admission, gone, log)) yield last = line
    } finally {
      app.work.tell({ sessionId: 'turn' in admission ? admission.wish.id : admission.facts.id, work: 'creation', type: 'over', ...outcomeOf(last) })
      running.delete(over)
      orders.delete(admission.order)
      isOver()
    }
  }

  async function * lines (admission: Admission, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    const facts = 'turn' in admission ? yield * wait(admission, gone, log) : admission.facts
    if (facts) yield * make(facts, admission, gone, log)
  }

  /** Yields `queued` lines until the turn has come, then decides the session's facts. Otherwise yields an `error` line and returns undefined. */
  async function * wait (queued: Queued, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, SessionFacts | undefined, undefined> {
    const { turn, wish, order, undo } = queued
    const signal = AbortSignal.any([gone, shutdown.signal, app.drain.signal, order.turnedAway.signal])
    const startedAt = performance.now()
    let facts: SessionFacts | undefined
    try {
      const positions = turn.positions(signal, app.config.queueTimeout * 1000)
      for await (const position of withHeartbeat(positions, HEARTBEAT_MS, position => position)) {
        yield { status: 'queued', data: { message: `Waiting for a turn: number ${position}`, position, etaMs: app.places.etaMs(turn) } }
      }
      signal.throwIfAborted()
      app.work.done(wish.id, 'queue', performance.now() - startedAt)
      facts = await decide(wish, queued)
      return facts
    } catch (err) {
      await undo.run()
      log.info({ err }, 'queued creation aborted')
      yield toErrorLine(err)
    } finally {
      if (!facts) await undo.run() // a reader that stopped reading ends this generator at a yield, without an error
    }
  }

  async function * make (facts: SessionFacts, { context, template, own, remembered, order, undo }: Wanted, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    const startedAt = performance.now()
    const elapsedMs = () => Math.round(performance.now() - startedAt)
    const session = app.sessions.begin(facts, undo)
    const signal = AbortSignal.any([gone, shutdown.signal, session.signal, order.turnedAway.signal])
    // `reserve` was over before; an error after an abort is that of the abort
    const noteStep: Creation['noteStep'] = (step, ms, error) => { if (step !== 'reserve' || error) app.work.done(facts.id, step, ms, error && signal.aborted ? signal.reason : error) }
    let committed = false
    try {
      const prepare = (signal: AbortSignal) => remembered?.prepare?.(facts, signal) ?? Promise.resolve()
      const steps = createSession(app, { facts, template, own, prepare, undo, signal, failpoint: session.failpoint, stepMs: app.config.stepTimeout * 1000, noteStep })
      for await (const step of withHeartbeat(steps, HEARTBEAT_MS, step => ({ ...step, elapsedMs: elapsedMs() }))) yield toLine(step)
      await app.snapshots.claim(facts) // first: another server of this store deletes what no server claims
      await app.state.begin(facts, context)
      await remembered?.restore(facts, AbortSignal.any([signal, AbortSignal.timeout(app.config.stepTimeout * 1000)]))
      await session.commit(signal)
      committed = true
      log.info({ sessionId: facts.id, account: facts.account.name, slot: facts.slot.index, durationMs: elapsedMs() }, 'session ready')
      yield completeLine(app, facts, elapsedMs())
    } catch (err) {
      const line = toErrorLine(signal.aborted ? signal.reason : err) // the teardown aborts the signal, too
      log.warn({ err, sessionId: facts.id }, 'session failed')
      await session.fail(gone.aborted ? 'client-gone' : 'failed')
      yield line
    } finally {
      if (!committed) await session.fail('client-gone') // the generator was ended at a yield, as above
    }
  }

  async function completedBy ({ key, fingerprint }: KeyedRequest): Promise<ProgressLine | undefined> {
    const earlier = await app.registry.findCompleted(key)
    if (!earlier) return undefined
    const { facts, completedAt } = earlier
    if (facts.request?.fingerprint !== fingerprint) throw failure('KEY_REUSED')
    return completeLine(app, facts, completedAt.getTime() - facts.createdAt.getTime())
  }

  function turnAway (user: string): void {
    for (const { owner, turnedAway } of orders) if (owner === user) turnedAway.abort(failure('ENDED_BY_ADMIN'))
  }
}

function toLine (step: StepStarted): ProgressLine {
  const { message, index, of, elapsedMs } = step
  return { status: 'running', data: { message, step: step.step, index, of, elapsedMs } }
}

/** The outcome of a creation, from its last line. A client that left before has none. */
function outcomeOf (last: ProgressLine | undefined): { ms: number } | { code: string } {
  if (last?.status === 'complete') return { ms: last.data.elapsedMs }
  return { code: last?.status === 'error' ? last.data.code : failure('CLIENT_GONE').code }
}

function completeLine (app: FastifyInstance, facts: SessionFacts, elapsedMs: number): ProgressLine {
  return { status: 'complete', data: { message: 'Session ready', sessionId: facts.id, isNew: true, url: app.publicAddress.path(`/session/${facts.id}/`), elapsedMs, ...originOf(facts) } }
}

/** The `error` line of a creation. Errors that clients can act on are shown as they are; any other only as a failed or timed-out step. */
function toErrorLine (error: unknown): ProgressLine {
  const { message, code } = shownAs(error, (error as Error).name === 'TimeoutError' ? 'STEP_TIMEOUT' : 'STEP_FAILED')
  return { status: 'error', data: { message, code } }
}

export default fp(creations, {
  name: 'creations',
  dependencies: ['config', 'public-address', 'registry', 'store-link', 'places', 'reservations', 'admission', 'drain', 'linux-users', 'homes', 'firewall', 'sandboxes', 'templates', 'code-updates', 'programs', 'sessions', 'snapshots', 'state', 'work']
})
