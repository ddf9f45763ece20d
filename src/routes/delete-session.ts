import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '../schemas/common.ts'

const DELETES = [
  { url: '/session/:id', operationId: 'endSession', scope: 'create', tag: 'sessions' }, // as existing front ends call it
  { url: '/sessions/:id', operationId: 'deleteSession', scope: 'create', tag: 'sessions' },
  { url: '/admin/sessions/:id', operationId: 'endAnySession', scope: 'admin', tag: 'administration' }
] as const

/** DELETE /session/:id, DELETE /sessions/:id and DELETE /admin/sessions/:id: the same. */
const deleteSession: FastifyPluginAsyncTypebox = async app => {
  for (const { url, operationId, scope, tag } of DELETES) {
    app.delete(url, {
      config: { scope },
      schema: {
        operationId,
        summary: 'Ends a session; answers when nothing of it is left on the machine',
        tags: [tag],
        params: SessionParams,
        response: { 200: Done, ...errors(401, 403, 404, 421, 500, 503, 507) }
      }
    }, async request => {
      const { id, owner } = app.rights.session(request.principal, request.params.id)
      app.auditLog.note(request, { action: 'session.end', target: id, details: { owner } })
      await app.sessions.end(id, 'deleted')
      return { success: true as const, message: 'Session ended' }
    })
  }
}

export default deleteSession
