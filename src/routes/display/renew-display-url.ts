import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { forPage, tokenBody, tokenIn } from './for-page.ts'

/** POST /session/:id/display: called by a page that was opened by a `displayUrl`, before it loads itself again, with its renewal token as the body. */
const renewDisplayUrl: FastifyPluginAsyncTypebox = async app => {
  forPage(app)
  app.post('/session/:id/display', {
    config: { scope: 'everybody', hasPageToken: true },
    schema: {
      operationId: 'renewDisplayUrl',
      summary: 'Gives a display page that was opened by a displayUrl a new token for that address',
      description: 'The display page sends it before it loads itself again. The body is the second token that the page holds, as plain text. Programs get a new displayUrl by `GET /sessions/{id}`.',
      tags: ['sessions'],
      params: SessionParams,
      body: tokenBody('The second token of the page'),
      response: { 200: Type.Object({ token: Type.String({ description: 'For the address of the page' }) }, { title: 'DisplayToken', description: 'The page can be loaded again' }), ...errors(401, 403, 404) }
    }
  }, async ({ params: { id }, body, headers, ip }) => ({
    token: await app.displayUrls.renew(tokenIn(body), id, clientOf(headers, ip))
  }))
}

export default renewDisplayUrl
