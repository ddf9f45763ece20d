import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { Logs, LogsQuery } from '#schemas/session.ts'

const getLogs: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/logs', {
    schema: {
      operationId: 'getLogs',
      summary: 'Shows the last lines that a part of the session printed',
      tags: ['sessions'],
      params: SessionParams,
      querystring: LogsQuery,
      response: { 200: Logs, ...errors(400, 401, 403, 404, 421) }
    }
  }, async request => {
    const { source, tail = 200 } = request.query
    const session = app.rights.session(request.principal, request.params.id)
    app.expiry.saw(session.id)
    return { source, lines: await app.services.log(session, source, tail) }
  })
}

export default getLogs
