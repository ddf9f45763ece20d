import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { validityOf } from '#domain/sessions/validity.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { Validity } from '#schemas/expiry.ts'

const getValidity: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/valid', {
    schema: {
      operationId: 'getValidity',
      summary: 'Whether the session lives, and if not, why; always 200, and not a use of it',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Validity, ...errors(401, 403, 421, 503) }
    }
  }, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return validityOf(request.principal, await app.registry.find(request.params.id), new Date())
  })
}

export default getValidity
