import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'

/** GET /share/:token: the display page of the link's session. */
const viewShare: FastifyPluginAsyncTypebox = async app => {
  app.get('/share/:token', {
    config: { scope: 'everybody' }, // the token is the credential
    errorHandler: app.pages.showRefusal,
    schema: {
      operationId: 'viewShare',
      summary: 'The page that shows the session\'s browser, by a link',
      description: 'For browsers: open this address, or put it in a frame. The token in the address is the credential.',
      tags: ['shares'],
      params: Type.Object({ token: Type.String({ description: 'The secret of the link' }) }),
      response: { 200: { description: 'The display page', content: { 'text/html': { schema: { type: 'string' } } } }, ...errors(404, 409, 429) }
    }
  }, async (request, reply) => {
    const share = await app.shares.find(request.params.token)
    if (!share) throw await app.rateLimits.refused(request, reply, failure('SHARE_NOT_FOUND'))
    const { id } = app.sessions.ready(share.sessionId)
    const { html, headers } = app.pages.renderDisplay(id, request.headers.host ?? '', { address: request.ip, share, credential: app.credentials.find('share', share.id) })
    return reply.headers(headers).send(html)
  })
}

export default viewShare
