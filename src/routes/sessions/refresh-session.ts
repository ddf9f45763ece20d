import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { SessionView } from '#schemas/session.ts'
import { viewSession } from './session-view.ts'

const refreshSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/refresh', {
    config: { scope: 'view', session: 'ready', counts: 'use' },
    schema: {
      operationId: 'refreshSession',
      summary: 'Counts as a use, as touch does, and answers with the whole session, its health and the new time of its end',
      description: 'One request for a program that keeps a session alive and shows its state.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: SessionView, ...errors(400) }
    }
  }, ({ session }) => viewSession(app, session))
}

export default refreshSession
