import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { A_DAY, ShareCreated, ShareRequest } from '#schemas/share.ts'

/** POST /sessions/:id/shares. Only this answer shows the link. */
const addShare: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/shares', {
    config: { scope: 'create', session: 'ready', noted: 'share.created' },
    onRequest: app.rateLimits.sharing,
    schema: {
      operationId: 'addShare',
      summary: 'Makes a link to the session. Everybody with the link can use it without a login, until it expires, is revoked, or the session ends',
      description: 'The answer holds the link, which no other answer shows. With the mode `view`, a visitor can only look; with `control`, a visitor acts as the owner\'s own page does. The page of a link may be put in a frame by the origins in `EX10_ORIGINS`.',
      tags: ['shares'],
      params: SessionParams,
      body: ShareRequest,
      response: { 201: ShareCreated, ...errors(400, 429) }
    }
  }, async (request, reply) => {
    const { mode, expiresIn = A_DAY } = request.body
    const { until } = request.credential
    const opener = await request.credential.opener()
    const expiresAt = new Date(Math.min(Date.now() + expiresIn * 1000, until?.getTime() ?? Infinity))
    const { id } = app.rights.readySession(request.principal, request.session.id) // checked again: the session may have ended since. A link that is made from now on ends with the session
    const { share, token } = await app.shares.create({ sessionId: id, mode, createdBy: request.principal.user, opener, expiresAt })
    app.expiry.saw(id)
    await request.note({ target: share.sessionId, details: { shareId: share.id, mode } })
    return reply.code(201).send({ id: share.id, mode, url: app.publicAddress.url(`/share/${token}`, request), expiresAt: share.expiresAt.toISOString() })
  })
}

export default addShare
