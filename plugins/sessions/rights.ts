import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { knowsOf, type Principal } from '#domain/principal.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Decides which principal may see which session. Every route finds its session here. */
    rights: {
      /** A session that has not ended and that this principal may know of. @throws {Ex10Error} EX10_SESSION_NOT_FOUND */
      session (principal: Principal, id: string): Session
      /** A ready session, which takes code and viewers, that this principal may know of. @throws {Ex10Error} EX10_SESSION_NOT_FOUND, EX10_SESSION_NOT_READY */
      readySession (principal: Principal, id: string): Session
      /** All sessions that have not ended and that this principal may know of, oldest first. */
      sessions (principal: Principal): Session[]
    }
  }
}

async function rights (app: FastifyInstance): Promise<void> {
  app.decorate('rights', {
    session,
    readySession (principal: Principal, id: string) {
      session(principal, id) // checked first: the state of other users' sessions stays hidden
      return app.sessions.ready(id)
    },
    sessions: (principal: Principal) => app.sessions.list().filter(session => knowsOf(principal, session))
  })

  function session (principal: Principal, id: string): Session {
    const found = app.sessions.get(id)
    if (!knowsOf(principal, found)) throw failure('SESSION_NOT_FOUND')
    return found
  }
}

export default fp(rights, { name: 'rights', dependencies: ['sessions'] })
