import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { viewSession } from './session-view.ts'

const refreshSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/refresh', {
    config: { scope: 'view', session: 'ready', counts: 'use' },
    schema: {
      operationId: 'refreshSession',
      summary: 'Counts as a use, as touch does, and answers with the whole session, its health and the new time of its end',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Type.Ref('Session'), ...errors(400) }
    }
  }, ({ session }) => viewSession(app, session))
}

export default refreshSession
