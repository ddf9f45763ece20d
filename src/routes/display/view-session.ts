import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'

/** GET /session/:id/index.html: the display page. The session proxy redirects /session/:id to it. */
const viewSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/session/:id/index.html', {
    schema: {
      operationId: 'viewSession',
      summary: 'The page that shows the session\'s browser',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: { description: 'The display page', content: { 'text/html': { schema: { type: 'string' } } } }, ...errors(401, 403, 404, 409, 421) }
    }
  }, async (request, reply) => {
    const session = app.rights.readySession(request.principal, request.params.id)
    app.auditLog.noteForeign(request, 'session.viewed', session)
    const { html, headers } = app.pages.renderDisplay(session.id, request.headers.host ?? '', { address: request.ip, user: request.principal.user, credential: request.credential })
    return reply.headers(headers).send(html)
  })
}

export default viewSession
