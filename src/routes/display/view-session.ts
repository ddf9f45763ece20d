import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionParams } from '#schemas/common.ts'

/** GET /session/:id/index.html: the display page. The session proxy redirects /session/:id to it. */
const viewSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/session/:id/index.html', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'viewSession',
      summary: 'The page that shows the session\'s browser',
      description: 'For browsers: open this address. The page connects to the session by a WebSocket. A page of another origin that frames the session uses its `displayUrl`, since a frame carries neither key nor cookie.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: { description: 'The display page', content: { 'text/html': { schema: { type: 'string' } } } } }
    }
  }, async (request, reply) => {
    const { html, headers } = app.pages.renderDisplay(request.session.id, request.headers.host ?? '', { address: request.ip, user: request.principal.user, credential: request.credential })
    return reply.headers(headers).send(html)
  })
}

export default viewSession
