import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '../schemas/common.ts'
import { viewSession } from './session-view.ts'

const listSessions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions', {
    schema: {
      operationId: 'listSessions',
      summary: 'Lists the sessions that have not ended, oldest first',
      tags: ['sessions'],
      response: { 200: Type.Object({ sessions: Type.Array(Type.Ref('Session')) }), ...errors(421) }
    }
  }, async () => ({ sessions: await Promise.all(app.sessions.list().map(session => viewSession(app, session))) }))
}

export default listSessions
