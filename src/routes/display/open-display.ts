import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { errors, SessionParams } from '#schemas/common.ts'

/** GET /session/:id/display: the display page, at the address in `displayUrl`. Its token stands in for a login, for a frame in a page of another origin. */
const openDisplay: FastifyPluginAsyncTypebox = async app => {
  app.get('/session/:id/display', {
    config: { scope: 'everybody', noted: 'session.viewed' }, // the token is the credential
    errorHandler: app.pages.showRefusal,
    schema: {
      operationId: 'openDisplayUrl',
      summary: 'The page that shows the session\'s browser, by a displayUrl',
      description: 'For browsers: put this address in a frame. `displayUrl` of a session is this address with its token.',
      tags: ['sessions'],
      params: SessionParams,
      querystring: Type.Object({ token: Type.Optional(Type.String({ maxLength: 1024, description: 'Of the displayUrl' })) }),
      response: { 200: { description: 'The display page', content: { 'text/html': { schema: { type: 'string' } } } }, ...errors(401, 403, 404, 409) }
    }
  }, async (request, reply) => {
    const { params, query: { token = '' }, headers, ip } = request
    const { user, credential } = await app.displayUrls.open(token, params.id, clientOf(headers, ip))
    const { id, owner } = app.sessions.ready(params.id)
    if (owner !== user) await request.note({ by: { user }, target: id, details: { owner } })
    const { html, headers: pageHeaders } = app.pages.renderDisplay(id, headers.host ?? '', { address: ip, user, credential }, app.displayUrls.issueRenewal(id, { user, credential }))
    return reply.headers(pageHeaders).send(html)
  })
}

export default openDisplay
