import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'

const revokeKey: FastifyPluginAsyncTypebox = async app => {
  app.delete('/admin/keys/:id', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'revokeKey',
      summary: 'Takes an API key out of force, for good',
      tags: ['access'],
      params: Type.Object({ id: Type.String() }),
      response: { 200: Done, ...errors(401, 403, 404, 421) }
    }
  }, async request => {
    const key = app.keys.revoke(request.params.id)
    if (!key) throw failure('KEY_NOT_FOUND')
    app.auditLog.note(request, { action: 'key.revoked', target: key.id, details: { user: key.user } })
    request.log.info({ keyId: key.id, keyUser: key.user, by: request.principal.user }, 'API key revoked')
    return { success: true as const, message: 'The key is not in force any more' }
  })
}

export default revokeKey
