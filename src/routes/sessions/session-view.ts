import type { FastifyInstance } from 'fastify'
import { originOf } from '#domain/sessions/remembered.ts'
import type { Session } from '#domain/session.ts'
import type { SessionView } from '#schemas/session.ts'

/** The session as clients see it, without facts of the machine. */
export async function viewSession (app: FastifyInstance, session: Session): Promise<SessionView> {
  const health = session.state === 'ready' ? await app.supervision.health(session.id) : 'ok'
  // read after the await above, so that the values are current
  const { idleMs, expiry } = app.expiry.show(session.id) ?? {}
  return {
    id: session.id,
    state: session.state as SessionView['state'],
    health,
    url: app.publicAddress.path(`/session/${session.id}/`),
    owner: session.owner,
    template: session.template,
    version: session.version,
    problems: app.codeUpdates.problems(session),
    createdAt: session.createdAt.toISOString(),
    ...originOf(session),
    ...(session.keepsProfile && { keepsProfile: true as const }),
    ...(idleMs !== undefined && { idleMs }),
    ...(expiry && { expiresAt: new Date(Date.now() + expiry.inMs).toISOString(), expiresBecause: expiry.because })
  }
}
