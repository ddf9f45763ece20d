import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { failure } from '#errors.ts'
import type { DrainRequest, DrainState } from '#schemas/drain.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes the server out of service: it makes no new sessions, and its sessions end at a deadline or by themselves. A
     * drain is only in memory: a server that is started again takes sessions.
     */
    drain: {
      /** Aborted while the server is drained, with EX10_DRAINING. A later drain has a signal of its own. */
      readonly signal: AbortSignal
      /** Begins a drain, or changes the deadline of the one under way. Tells all live sessions. */
      begin (request: DrainRequest): void
      /** Ends a drain: the server takes sessions again. Tells all live sessions. Does nothing without a drain. */
      cancel (): void
      state (): DrainState
    }
  }
}

type Begun = Pick<DrainState, 'since' | 'deadline' | 'atDeadline'>

const DEADLINE_SECONDS = 600

async function drain (app: FastifyInstance): Promise<void> {
  let refusing = new AbortController()
  let begun: Begun | undefined

  app.decorate('drain', {
    get signal () { return refusing.signal },
    begin,
    cancel,
    state: () => ({ draining: begun !== undefined, ...begun, sessions: app.places.held.length })
  })

  function begin ({ deadline: seconds = DEADLINE_SECONDS, atDeadline = 'end' }: DrainRequest): void {
    const deadline = new Date(Date.now() + seconds * 1000).toISOString()
    begun = { since: begun?.since ?? new Date().toISOString(), deadline, atDeadline }
    refusing.abort(failure('DRAINING'))
    const isEnd = atDeadline === 'end'
    tell('draining', isEnd ? `The server is being drained: the session ends at ${deadline}` : `The server is being drained: please end the session by ${deadline}`, isEnd ? deadline : undefined)
    app.expiry.drain(isEnd ? seconds * 1000 : undefined)
    app.log.warn({ ...begun, sessions: app.places.held.length }, 'drain begun')
  }

  function cancel (): void {
    if (!begun) return
    begun = undefined
    refusing = new AbortController()
    app.expiry.drain(undefined)
    tell('drain-cancelled', 'The server takes sessions again')
    app.log.warn('drain cancelled')
  }

  function tell (type: 'draining' | 'drain-cancelled', message: string, expiresAt?: string): void {
    for (const session of app.sessions.list().filter(({ state }) => state === 'ready')) {
      app.events.publish(session, { type, message, ...(expiresAt && { expiresAt, expiresBecause: 'drain' }) })
    }
  }
}

export default fp(drain, { name: 'drain', dependencies: ['places', 'sessions', 'events', 'expiry'] })
