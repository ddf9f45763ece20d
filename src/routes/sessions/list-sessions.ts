import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { viewSession } from './session-view.ts'

const listSessions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions', {
    config: { scope: 'view' },
    schema: {
      operationId: 'listSessions',
      summary: 'Lists your sessions that have not ended, oldest first. Admins see all sessions',
      tags: ['sessions'],
      response: { 200: Type.Object({ sessions: Type.Array(Type.Ref('Session')) }) }
    }
  }, async ({ principal }) => ({ sessions: await Promise.all(app.rights.sessions(principal).map(session => viewSession(app, session))) }))
}

export default listSessions
