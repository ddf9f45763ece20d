import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionList } from '#schemas/session.ts'
import { viewSession } from './session-view.ts'

const listSessions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions', {
    config: { scope: 'view' },
    schema: {
      operationId: 'listSessions',
      summary: 'Lists your sessions that have not ended, oldest first. Admins see all sessions',
      description: 'Sessions that are being made or are ending are in the list, too. Reading does not count as a use of a session.',
      tags: ['sessions'],
      response: { 200: SessionList }
    }
  }, async ({ principal }) => ({ sessions: await Promise.all(app.rights.sessions(principal).map(session => viewSession(app, session))) }))
}

export default listSessions
