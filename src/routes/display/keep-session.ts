import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { failure } from '#errors.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { DisplayExpiry } from '#schemas/expiry.ts'
import { forPage, tokenBody, tokenIn } from './for-page.ts'

/** POST /session/:id/keep: called by the display page's button, with the page's token as the body. Answers with the new time of the session's end. */
const keepSession: FastifyPluginAsyncTypebox = async app => {
  forPage(app)
  app.post('/session/:id/keep', {
    config: { scope: 'everybody', hasPageToken: true },
    schema: {
      operationId: 'keepSession',
      summary: 'Keeps a session that is about to end, for the display page',
      description: 'The button of the display page sends it. The body is the token that the page was loaded with, as plain text, so that a page in an opaque origin can send it. Programs use `POST /sessions/{id}/touch`.',
      tags: ['sessions'],
      params: SessionParams,
      body: tokenBody('The token'),
      response: { 200: Type.Object({ expiry: Type.Optional(DisplayExpiry) }, { title: 'Kept', description: 'When the session ends by itself now' }), ...errors(401, 403, 404, 409) }
    }
  }, async ({ params, body, headers, ip }) => {
    const { mode, credential } = await app.pageTokens.check(tokenIn(body), params.id, clientOf(headers, ip))
    if (mode === 'view') throw failure('FORBIDDEN', { message: 'A link that only views a session cannot keep it' })
    const { id } = app.sessions.ready(params.id)
    app.expiry.saw(id)
    credential.used?.()
    return { ...app.expiry.show(id) }
  })
}

export default keepSession
