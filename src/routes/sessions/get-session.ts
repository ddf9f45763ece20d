import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionParams } from '#schemas/common.ts'
import { viewSession } from './session-view.ts'

const getSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id', {
    config: { scope: 'view', session: 'known' },
    schema: {
      operationId: 'getSession',
      summary: 'Shows a session',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Type.Ref('Session') }
    }
  }, ({ session }) => viewSession(app, session))
}

export default getSession
