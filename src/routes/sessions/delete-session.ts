import { Type, type FastifyPluginAsyncTypebox, type Static } from '@fastify/type-provider-typebox'
import { Done, errors, SessionParams } from '#schemas/common.ts'

const DELETES = [
  { url: '/session/:id', operationId: 'endSession', scope: 'create', tag: 'sessions' }, // for existing front ends
  { url: '/sessions/:id', operationId: 'deleteSession', scope: 'create', tag: 'sessions' },
  { url: '/admin/sessions/:id', operationId: 'endAnySession', scope: 'admin', tag: 'administration' }
] as const

/** An admin's reason for the end. The session's owner reads it from GET /sessions/:id/valid. */
const AdminQuery = Type.Object({ violation: Type.Optional(Type.Boolean({ default: false, description: 'The session broke a rule. Its owner can read that' })) }, { additionalProperties: false })

/** DELETE /session/:id, DELETE /sessions/:id and DELETE /admin/sessions/:id: end a session. */
const deleteSession: FastifyPluginAsyncTypebox = async app => {
  for (const { url, operationId, scope, tag } of DELETES) {
    app.delete(url, {
      config: { scope, session: 'known', noted: 'session.end' },
      schema: {
        operationId,
        summary: 'Ends a session. Answers when nothing of it is left on the machine',
        description: 'Ends its programs, and removes its account, its files and its firewall rules. Other pages and programs that use the session are disconnected.',
        tags: [tag],
        params: SessionParams,
        ...(scope === 'admin' && { querystring: AdminQuery }),
        response: { 200: Done, ...errors(500, 503, 507) }
      }
    }, async request => {
      const { id, owner } = request.session
      const isViolation = scope === 'admin' && (request.query as Static<typeof AdminQuery>).violation === true
      await request.note({ target: id, details: { owner, ...(isViolation && { violation: true }) } })
      const isKilled = scope === 'admin' || owner !== request.principal.user // only admins can end sessions of other users
      await app.sessions.end(id, isViolation ? 'violation' : isKilled ? 'killed' : 'deleted')
      return { success: true as const, message: 'Session ended' }
    })
  }
}

export default deleteSession
