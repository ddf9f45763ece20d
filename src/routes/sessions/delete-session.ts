import { Type, type FastifyPluginAsyncTypebox, type Static } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '#schemas/common.ts'

const DELETES = [
  { url: '/session/:id', operationId: 'endSession', scope: 'create', tag: 'sessions' }, // as existing front ends call it
  { url: '/sessions/:id', operationId: 'deleteSession', scope: 'create', tag: 'sessions' },
  { url: '/admin/sessions/:id', operationId: 'endAnySession', scope: 'admin', tag: 'administration' }
] as const

/** What an admin may say why: its owner hears it from GET /sessions/:id/valid. */
const AdminQuery = Type.Object({ violation: Type.Optional(Type.Boolean({ default: false, description: 'It did what it may not: its owner is told' })) }, { additionalProperties: false })

/** DELETE /session/:id, DELETE /sessions/:id and DELETE /admin/sessions/:id: the same. */
const deleteSession: FastifyPluginAsyncTypebox = async app => {
  for (const { url, operationId, scope, tag } of DELETES) {
    app.delete(url, {
      config: { scope, session: 'known', noted: 'session.end' },
      schema: {
        operationId,
        summary: 'Ends a session; answers when nothing of it is left on the machine',
        tags: [tag],
        params: SessionParams,
        ...(scope === 'admin' && { querystring: AdminQuery }),
        response: { 200: Done, ...errors(500, 503, 507) }
      }
    }, async request => {
      const { id, owner } = request.session
      const isViolation = scope === 'admin' && (request.query as Static<typeof AdminQuery>).violation === true
      await request.note({ target: id, details: { owner, ...(isViolation && { violation: true }) } })
      const isKilled = scope === 'admin' || owner !== request.principal.user // only admins end what is not theirs
      await app.sessions.end(id, isViolation ? 'violation' : isKilled ? 'killed' : 'deleted')
      return { success: true as const, message: 'Session ended' }
    })
  }
}

export default deleteSession
