import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { RecoveryToken } from '#schemas/recovery.ts'

/** POST /recoverable/:id/token: a token for POST /recover. */
const issueRecoveryToken: FastifyPluginAsyncTypebox = async app => {
  app.post('/recoverable/:id/token', {
    config: { scope: 'create' },
    schema: {
      operationId: 'issueRecoveryToken',
      summary: 'Makes a token that brings your ended session back, once',
      description: 'Only you can use it. Of several tokens, the last eight are valid; when the session is back, none is.',
      tags: ['memory'],
      params: SessionParams,
      response: { 200: RecoveryToken, ...errors(404, 409) }
    }
  }, ({ principal, params }) => app.recovery.issue(params.id, principal.user))
}

export default issueRecoveryToken
