import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Counter, Histogram } from 'prom-client'
import type { SessionEvent } from '#domain/live/event.ts'
import type { WorkNews } from '#domain/operations/work.ts'
import { PROGRAM_NAMES } from '#domain/programs/programs.ts'
import { END_REASONS } from '#domain/session.ts'
import { STEPS, UNDONE_STEPS } from '#domain/sessions/steps.ts'

/** From a step of a few milliseconds to one that is cut off. */
const STEP_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const WHOLE_SECONDS = [0.25, 0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30, 60]
const QUEUE_SECONDS = [0.1, 1, 5, 10, 30, 60, 120, 300, 600]

/** Counts what happens to sessions: how they are made and ended, pushes and reloads, and their programs. */
async function sessionMetrics (app: FastifyInstance): Promise<void> {
  const registers = [app.metrics.registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) => new Counter<Label>({ name, help, labelNames, registers })
  const histogram = <Label extends string>(name: string, help: string, buckets: number[], labelNames: Label[] = []) => new Histogram<Label>({ name, help, buckets, labelNames, registers })

  const creations = counter('ex10_creations_total', 'Creations that are over, by their result: ready, or the code of the error', ['result'])
  const creation = histogram('ex10_creation_duration_seconds', 'Time from the first step of a creation until the session was ready, without a wait in the queue', WHOLE_SECONDS)
  const step = histogram('ex10_creation_step_duration_seconds', 'Time of each step of a creation. The dev server starts while other steps run', STEP_SECONDS, ['step'])
  const failedSteps = counter('ex10_creation_step_failures_total', 'Steps of creations that failed, by the code of the error', ['step', 'code'])
  const queued = histogram('ex10_queue_wait_seconds', 'Time that creations waited in the queue until their turn came', QUEUE_SECONDS)
  const ended = counter('ex10_sessions_ended_total', 'Sessions that have ended, also those that never became ready, by the reason', ['reason'])
  const teardown = histogram('ex10_teardown_duration_seconds', 'Time of a teardown, from its beginning until nothing of the session was left', WHOLE_SECONDS)
  const failedTeardowns = counter('ex10_teardown_failures_total', 'Teardowns that left something behind. The server tries each again every 30 s')
  const undo = histogram('ex10_teardown_step_duration_seconds', 'Time of each step of a teardown', STEP_SECONDS, ['step'])
  const pushes = counter('ex10_pushes_total', 'Pushes of code that were written')
  const reload = histogram('ex10_push_reload_seconds', 'Time from the end of a push\'s write until the browser had reloaded the extension', [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])
  const exits = counter('ex10_program_exits_total', 'Ends of programs in sessions outside of a teardown', ['program'])
  const frozen = counter('ex10_program_freezes_total', 'Programs that were killed because they did not answer', ['program'])
  const restarts = counter('ex10_program_restarts_total', 'Programs that were started again and answer', ['program'])
  const givenUp = counter('ex10_program_given_up_total', 'Programs that ended too often and were given up', ['program'])
  const pending = new Map<string, { version: number, at: number }>() // each session's last push that has not been reloaded

  // a counter that is there from the start has a rate from its first count on
  creations.inc({ result: 'ready' }, 0)
  for (const reason of END_REASONS) ended.inc({ reason }, 0)
  for (const program of PROGRAM_NAMES) for (const each of [exits, frozen, restarts, givenUp]) each.inc({ program }, 0)
  for (const name of STEPS) step.zero({ step: name })
  for (const name of ['reserve', ...UNDONE_STEPS, 'ended']) undo.zero({ step: name })

  app.work.observe(news => news.work === 'creation' ? heardOfCreation(news) : heardOfTeardown(news))
  app.events.observe(({ id }, event) => heardOfSession(id, event))

  function heardOfCreation (news: WorkNews): void {
    if (news.type === 'over') creations.inc({ result: news.code ?? 'ready' })
    if (news.type === 'over' && news.ms !== undefined) creation.observe(news.ms / 1000)
    if (news.type !== 'step') return
    if (news.step === 'queue') queued.observe(news.ms / 1000)
    else if (news.code === undefined) step.observe({ step: news.step }, news.ms / 1000)
    else failedSteps.inc({ step: news.step, code: news.code })
  }

  function heardOfTeardown (news: WorkNews): void {
    if (news.type === 'step' && news.code === undefined) undo.observe({ step: news.step }, news.ms / 1000)
    if (news.type !== 'over') return
    if (news.code === undefined) teardown.observe((news.ms ?? 0) / 1000)
    else failedTeardowns.inc()
  }

  function heardOfSession (id: string, { type, reason, version = 0, service: program }: SessionEvent): void {
    if ((type === 'ended' || type === 'failed') && reason) ended.inc({ reason })
    if (type === 'ended' || type === 'failed') pending.delete(id)
    if (type === 'pushed') {
      pushes.inc()
      pending.set(id, { version, at: performance.now() })
    }
    if (type === 'reloaded') heardOfReload(id, version)
    if (!program) return
    if (type === 'service-exited') exits.inc({ program })
    if (type === 'service-frozen') frozen.inc({ program })
    if (type === 'service-restarted') restarts.inc({ program })
    if (type === 'service-given-up') givenUp.inc({ program })
  }

  /** Pushes that a later one has overtaken are not timed, nor are those whose build failed. */
  function heardOfReload (id: string, version: number): void {
    const push = pending.get(id)
    if (!push || version < push.version) return
    reload.observe((performance.now() - push.at) / 1000)
    pending.delete(id)
  }
}

export default fp(sessionMetrics, { name: 'session-metrics', dependencies: ['metrics', 'work', 'events'] })
