import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { Logs, LogsQuery } from '#schemas/session.ts'

const getLogs: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/logs', {
    config: { scope: 'view', session: 'known', counts: 'use' },
    schema: {
      operationId: 'getLogs',
      summary: 'Shows the last lines that a program of the session printed',
      description: 'Lines are cut after 8 KiB and hold no control characters. Reading counts as a use of the session.',
      tags: ['sessions'],
      params: SessionParams,
      querystring: LogsQuery,
      response: { 200: Logs, ...errors(400) }
    }
  }, async ({ session, query: { source, tail = 200 } }) => ({ source, lines: await app.services.log(session, source, tail) }))
}

export default getLogs
