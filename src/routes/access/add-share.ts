import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { A_DAY, ShareCreated, ShareRequest } from '#schemas/share.ts'

/** POST /sessions/:id/shares: the answer is the only place that shows the link. */
const addShare: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/shares', {
    config: { scope: 'create' },
    onRequest: app.rateLimits.sharing,
    schema: {
      operationId: 'addShare',
      summary: 'Makes a link that shows the session to whoever has it, without a login, until it expires, is revoked, or the session ends',
      tags: ['shares'],
      params: SessionParams,
      body: ShareRequest,
      response: { 201: ShareCreated, ...errors(400, 401, 403, 404, 409, 421, 429) }
    }
  }, async (request, reply) => {
    const { mode, expiresIn = A_DAY } = request.body
    const session = app.rights.readySession(request.principal, request.params.id)
    const { opener, until } = request.credential
    const expiresAt = new Date(Math.min(Date.now() + expiresIn * 1000, until?.getTime() ?? Infinity))
    const { share, token } = app.shares.create({ sessionId: session.id, mode, createdBy: request.principal.user, opener, expiresAt })
    app.expiry.saw(session.id)
    app.auditLog.note(request, { action: 'share.created', target: session.id, details: { shareId: share.id, mode } })
    request.log.info({ sessionId: session.id, shareId: share.id, mode, by: share.createdBy }, 'session shared')
    const base = app.config.publicUrl || `${request.protocol}://${request.host}`
    return reply.code(201).header('cache-control', 'no-store')
      .send({ id: share.id, mode, url: `${base}/share/${token}`, expiresAt: share.expiresAt.toISOString() })
  })
}

export default addShare
