import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors } from '#schemas/common.ts'
import { ShareParams } from '#schemas/share.ts'

const revokeShare: FastifyPluginAsyncTypebox = async app => {
  app.delete('/sessions/:id/shares/:shareId', {
    config: { scope: 'create' },
    schema: {
      operationId: 'revokeShare',
      summary: 'Takes a link out of force, for good; whoever looks by it is disconnected',
      tags: ['shares'],
      params: ShareParams,
      response: { 200: Done, ...errors(401, 403, 404, 421) }
    }
  }, async request => {
    const session = app.rights.session(request.principal, request.params.id)
    app.shares.revoke(session.id, request.params.shareId)
    app.expiry.saw(session.id)
    app.auditLog.note(request, { action: 'share.revoked', target: session.id, details: { shareId: request.params.shareId } })
    request.log.info({ sessionId: session.id, shareId: request.params.shareId, by: request.principal.user }, 'share revoked')
    return { success: true as const, message: 'The link is not in force any more' }
  })
}

export default revokeShare
