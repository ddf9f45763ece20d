import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RecoverableList } from '#schemas/recovery.ts'

/** GET /recoverable: the caller's ended sessions that can be brought back. */
const listRecoverable: FastifyPluginAsyncTypebox = async app => {
  app.get('/recoverable', {
    config: { scope: 'view' },
    schema: {
      operationId: 'listRecoverable',
      summary: 'Lists your sessions that have ended and can be brought back',
      description: 'For EX10_RECOVERY_WINDOW after the end. Sessions that their users or admins have ended are not among them.',
      tags: ['memory'],
      response: { 200: RecoverableList }
    }
  }, async ({ principal }) => ({
    sessions: (await app.recovery.list(principal.user)).map(({ tokens, claimedBy, owner, ...point }) => ({ ...point, isRunning: claimedBy !== undefined }))
  }))
}

export default listRecoverable
