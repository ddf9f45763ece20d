import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { failure } from '#errors.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { RecoveryToken } from '#schemas/recovery.ts'
import { forPage, tokenBody, tokenIn } from './for-page.ts'

/** POST /session/:id/recovery: called by a display page whose session has ended, with the page's token as the body. Its button leads to the home page, where the session's user brings it back. */
const getRecovery: FastifyPluginAsyncTypebox = async app => {
  forPage(app)
  app.post('/session/:id/recovery', {
    config: { scope: 'everybody', hasPageToken: true },
    schema: {
      operationId: 'getRecovery',
      summary: 'Gives the display page of an ended session a token that brings it back',
      description: 'The display page asks when its session has ended. The body is the token that the page was loaded with, as plain text. Only the session\'s user can use the answer. Programs use `POST /recoverable/{id}/token`.',
      tags: ['memory'],
      params: SessionParams,
      body: tokenBody('The token'),
      response: { 200: RecoveryToken, ...errors(401, 403, 404, 409) }
    }
  }, async ({ params: { id }, body, headers, ip }) => {
    const { mode, credential } = await app.pageTokens.check(tokenIn(body), id, clientOf(headers, ip))
    if (mode === 'view' || credential.kind === 'share') throw failure('FORBIDDEN', { message: 'Only the session\'s user can bring it back' })
    return await app.recovery.issue(id)
  })
}

export default getRecovery
