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
      operationId: 'renewDisplayUrl',
      summary: 'Gives a display page that was opened by a displayUrl a new token for that address',
      description: 'The display page sends it before it loads itself again. The body is the second token that the page holds, as plain text. Programs get a new displayUrl by `GET /sessions/{id}`.',
      tags: ['sessions'],
      params: SessionParams,
      body: { content: { 'text/plain': { schema: Type.String({ description: 'The second token of the page' }) } } },
      response: { 200: Type.Object({ token: Type.String({ description: 'For the address of the page' }) }, { title: 'DisplayToken', description: 'The page can be loaded again' }), ...errors(401, 403, 404) }
    },
    onRequest: async (_request, reply) => { reply.headers(displayStateHeaders()) }
  }, async ({ params: { id }, body, headers, ip }) => ({
    token: await app.displayUrls.renew(typeof body === 'string' ? body : '', id, clientOf(headers, ip))
  }))
}

export default renewDisplayUrl
