import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { viewSession } from './session-view.ts'

const getSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id', {
    schema: {
      operationId: 'getSession',
      summary: 'Shows a session',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Type.Ref('Session'), ...errors(401, 403, 404, 421) }
    }
  }, request => viewSession(app, app.rights.session(request.principal, request.params.id)))
}

export default getSession
