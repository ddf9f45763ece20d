import { performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { WorkNews } from '#domain/operations/work.ts'
import type { EndReason } from '#domain/session.ts'
import { shownAs } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** How creations and teardowns go: told where the work is done, heard by metrics and traces. No method but `tearDown` throws. */
    work: {
      /** Calls `listener` with all news from now on. */
      observe (listener: (news: WorkNews) => void): void
      tell (news: WorkNews): void
      /** Tells that a step of a creation is over, with its error if it failed. */
      done (sessionId: string, step: string, ms: number, error?: unknown): void
      /** Tells that an undo of a teardown is over, with its error if it failed. */
      undone (sessionId: string, step: string, ms: number, error?: unknown): void
      /** Does the work of a teardown, and tells when it begins and ends. Resolves and rejects as the work does. */
      tearDown (sessionId: string, reason: EndReason, work: () => Promise<void>): Promise<void>
    }
  }
}

async function work (app: FastifyInstance): Promise<void> {
  const listeners = new Listeners<[WorkNews]>()

  app.decorate('work', {
    observe: listener => { listeners.add(listener) },
    tell,
    done: (sessionId, step, ms, error) => tell({ sessionId, work: 'creation', type: 'step', step, ms, code: codeOf(error) }),
    undone (sessionId, step, ms, error) {
      if (error === undefined) app.log.debug({ sessionId, step, durationMs: Math.round(ms) }, 'step undone')
      tell({ sessionId, work: 'teardown', type: 'step', step, ms, code: codeOf(error) })
    },
    async tearDown (sessionId, reason, work) {
      const startedAt = performance.now()
      let error: unknown
      tell({ sessionId, work: 'teardown', type: 'begun', reason })
      try {
        await work()
      } catch (caught) {
        error = caught
        throw caught
      } finally {
        tell({ sessionId, work: 'teardown', type: 'over', ms: performance.now() - startedAt, code: codeOf(error) })
      }
    }
  } satisfies FastifyInstance['work'])

  /** Tells the listeners, at once. A failed listener is logged, and the work goes on. */
  function tell (news: WorkNews): void {
    try {
      listeners.tell(news)
    } catch (err) {
      app.log.error({ err, sessionId: news.sessionId }, 'work not observed')
    }
  }
}

/** The code that a client would read; undefined without an error. */
function codeOf (error: unknown): string | undefined {
  return error === undefined ? undefined : shownAs(error, (error as Error).name === 'TimeoutError' ? 'STEP_TIMEOUT' : 'STEP_FAILED').code
}

export default fp(work, { name: 'work' })
