import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '#schemas/common.ts'

const touchSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/touch', {
    schema: {
      operationId: 'touchSession',
      summary: 'Counts as use of the session now, so that it does not end as idle; its longest life is not extended',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Done, ...errors(400, 401, 403, 404, 409, 421) }
    }
  }, async request => {
    app.expiry.saw(app.rights.readySession(request.principal, request.params.id).id)
    return { success: true as const, message: 'Session in use' }
  })
}

export default touchSession
