import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '../schemas/common.ts'

/** DELETE /session/:id, as existing front ends call it, and DELETE /sessions/:id: the same. */
const deleteSession: FastifyPluginAsyncTypebox = async app => {
  for (const [url, operationId] of [['/session/:id', 'endSession'], ['/sessions/:id', 'deleteSession']] as const) {
    app.delete(url, {
      config: { scope: 'create' },
      schema: {
        operationId,
        summary: 'Ends a session; answers when nothing of it is left on the machine',
        tags: ['sessions'],
        params: SessionParams,
        response: { 200: Done, ...errors(401, 403, 404, 421, 500, 503, 507) }
      }
    }, async request => {
      const { id } = app.rights.session(request.principal, request.params.id)
      await app.sessions.end(id, 'deleted')
      return { success: true as const, message: 'Session ended' }
    })
  }
}

export default deleteSession
