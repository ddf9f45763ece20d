import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'

const revokeKey: FastifyPluginAsyncTypebox = async app => {
  app.delete('/admin/keys/:id', {
    config: { scope: 'admin', noted: 'key.revoked' },
    schema: {
      operationId: 'revokeKey',
      summary: 'Revokes an API key for good',
      description: 'From then on the key is refused. Logins that it opened and links that it made end, and its connections are closed within two seconds.',
      tags: ['access'],
      params: Type.Object({ id: Type.String({ description: 'Names the key' }) }),
      response: { 200: Done, ...errors(404) }
    }
  }, async request => {
    const key = await app.keys.revoke(request.params.id)
    if (!key) throw failure('KEY_NOT_FOUND')
    await request.note({ target: key.id, details: { user: key.user } })
    return { success: true as const, message: 'The key is revoked' }
  })
}

export default revokeKey
