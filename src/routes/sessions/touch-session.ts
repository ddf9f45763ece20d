import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '#schemas/common.ts'

const touchSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/touch', {
    config: { scope: 'view', session: 'ready', counts: 'use' },
    schema: {
      operationId: 'touchSession',
      summary: 'Counts as a use of the session now, so that it does not end as idle. Its longest life is not extended',
      description: 'For programs that work with a session in ways that the server does not see.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Done, ...errors(400) }
    }
  }, async () => ({ success: true as const, message: 'Session in use' }))
}

export default touchSession
