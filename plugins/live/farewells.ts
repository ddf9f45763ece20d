import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { EndReason, SessionFacts } from '#domain/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Work for a session that is about to end, while its programs still run and its home is still there. */
    farewells: {
      /**
       * Adds a work, called once for each session that was ready. The session's clocks and supervision have stopped, and its
       * teardown waits, for as long as the signal lasts. After a crash, the session's programs may be gone.
       */
      add (name: string, work: (facts: SessionFacts, reason: EndReason, signal: AbortSignal) => Promise<void>): void
      /** Does every work at once. Resolves when all are done or their time is over; errors are logged. */
      say (facts: SessionFacts, reason: EndReason): Promise<void>
    }
  }
}

/** The most time that the works of one session take from its teardown. */
const WAIT_MS = 10_000

async function farewells (app: FastifyInstance): Promise<void> {
  const works = new Map<string, Parameters<FastifyInstance['farewells']['add']>[1]>()

  app.decorate('farewells', {
    add (name, work) { works.set(name, work) },
    async say (facts, reason) {
      const signal = AbortSignal.timeout(WAIT_MS)
      const isOver = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      await Promise.all([...works].map(async ([name, work]) => {
        const done = work(facts, reason, signal).catch(err => app.log.warn({ err, sessionId: facts.id, work: name }, 'not done before the end of the session'))
        await Promise.race([done, isOver])
      }))
    }
  } satisfies FastifyInstance['farewells'])
}

export default fp(farewells, { name: 'farewells' })
