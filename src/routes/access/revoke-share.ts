import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done } from '#schemas/common.ts'
import { ShareParams } from '#schemas/share.ts'

const revokeShare: FastifyPluginAsyncTypebox = async app => {
  app.delete('/sessions/:id/shares/:shareId', {
    config: { scope: 'create', session: 'known', noted: 'share.revoked' },
    schema: {
      operationId: 'revokeShare',
      summary: 'Revokes a link for good, and disconnects its viewers',
      description: 'Visitors who came by the link are disconnected. A link that is already gone is no error.',
      tags: ['shares'],
      params: ShareParams,
      response: { 200: Done }
    }
  }, async request => {
    const { session: { id }, params: { shareId } } = request
    await app.shares.revoke(id, shareId)
    app.expiry.saw(id)
    await request.note({ target: id, details: { shareId } })
    return { success: true as const, message: 'The link is revoked' }
  })
}

export default revokeShare
