import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { viewSession } from './session-view.ts'

const refreshSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/refresh', {
    config: { scope: 'view', session: 'ready', counts: 'use' },
    schema: {
      operationId: 'refreshSession',
      summary: 'The same as touch, and answers with the whole session: how it is, and when it ends now',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Type.Ref('Session'), ...errors(400) }
    }
  }, ({ session }) => viewSession(app, session))
}

export default refreshSession
