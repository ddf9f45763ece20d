import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { readKeyRequest } from '#domain/access/api-key.ts'
import { errors } from '#schemas/common.ts'
import { KeyCreated, KeyRequest } from '#schemas/key.ts'
import { viewKey } from './key-view.ts'

/** POST /admin/keys. Only this answer shows the key. */
const addKey: FastifyPluginAsyncTypebox = async app => {
  app.post('/admin/keys', {
    config: { scope: 'admin', noted: 'key.created' },
    schema: {
      operationId: 'addKey',
      summary: 'Makes an API key for a user. Only this answer shows it',
      description: 'The key has the given user, role and scopes, and is valid until it expires or is revoked. Without `scopes`, it has all scopes that its role may use. The answer holds the secret: keep it, since no other answer shows it.',
      tags: ['access'],
      body: KeyRequest,
      response: { 201: KeyCreated, ...errors(400) }
    }
  }, async (request, reply) => {
    const { key, secret } = await app.keys.create(readKeyRequest(request.body, new Date()))
    await request.note({ target: key.id, details: { user: key.user, role: key.role } })
    return reply.code(201).send({ ...viewKey(key), key: secret })
  })
}

export default addKey
