import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { viewSession } from './session-view.ts'

const refreshSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/refresh', {
    schema: {
      operationId: 'refreshSession',
      summary: 'The same as touch, and answers with the whole session: how it is, and when it ends now',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Type.Ref('Session'), ...errors(400, 401, 403, 404, 409, 421) }
    }
  }, async request => {
    const session = app.rights.readySession(request.principal, request.params.id)
    app.expiry.saw(session.id)
    return viewSession(app, session)
  })
}

export default refreshSession
