import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionParams } from '#schemas/common.ts'
import { displayUrlOf } from './display-url.ts'
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
  }, async request => ({ ...await viewSession(app, request.session), ...displayUrlOf(app, request, request.session.id) }))
}

export default getSession
