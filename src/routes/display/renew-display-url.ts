import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { displayStateHeaders } from '#pages/display/render.ts'
import { errors, SessionParams } from '#schemas/common.ts'

/** POST /session/:id/display: called by a page that was opened by a `displayUrl`, before it loads itself again, with its renewal token as the body. */
const renewDisplayUrl: FastifyPluginAsyncTypebox = async app => {
  // a page may send plain text to another origin without a preflight request
  app.addContentTypeParser('text/plain', { parseAs: 'string', bodyLimit: 1024 }, (_request, body, done) => done(null, body))
  app.post('/session/:id/display', {
    config: { scope: 'everybody', hasPageToken: true },
    schema: {
      hide: true,
      params: SessionParams,
      response: { 200: Type.Object({ token: Type.String() }), ...errors(401, 403, 404) }
    },
    onRequest: async (_request, reply) => { reply.headers(displayStateHeaders()) }
  }, async ({ params: { id }, body, headers, ip }) => ({
    token: await app.displayUrls.renew(typeof body === 'string' ? body : '', id, clientOf(headers, ip))
  }))
}

export default renewDisplayUrl
