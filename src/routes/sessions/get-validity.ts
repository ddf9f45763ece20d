import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { validityOf } from '#domain/sessions/validity.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { Validity } from '#schemas/expiry.ts'

const getValidity: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/valid', {
    config: { scope: 'view' },
    schema: {
      operationId: 'getValidity',
      summary: 'Whether the session lives, and if not, the reason. Always 200. Does not count as a use',
      description: 'For pages and programs that have lost a session and must tell people why. Needs no session: an unknown id is answered, too.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: Validity, ...errors(503) }
    }
  }, async ({ principal, params }) => validityOf(principal, await app.registry.find(params.id), new Date()))
}

export default getValidity
