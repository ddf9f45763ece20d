import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionParams } from '#schemas/common.ts'
import { ShareList } from '#schemas/share.ts'

/** GET /sessions/:id/shares: the stored facts about each link, without its token. */
const listShares: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/shares', {
    config: { scope: 'view', session: 'known' },
    schema: {
      operationId: 'listShares',
      summary: 'Lists the links to the session that are in force, oldest first',
      description: 'The list has no tokens: only the answer to the request that made a link has its address.',
      tags: ['shares'],
      params: SessionParams,
      response: { 200: ShareList }
    }
  }, async ({ session }) => {
    const shares = (await app.shares.list(session.id)).map(({ id, mode, createdBy, createdAt, expiresAt }) => ({
      id, mode, createdBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString(), viewers: app.viewers.countBy(id, session.id)
    }))
    return { shares }
  })
}

export default listShares
