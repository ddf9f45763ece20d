import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Me } from '#schemas/key.ts'

/** GET /me: the principal of the request. */
const getMe: FastifyPluginAsyncTypebox = async app => {
  app.get('/me', {
    config: { scope: 'any' },
    schema: {
      operationId: 'getMe',
      summary: 'Shows your user name, role and scopes',
      description: 'Every credential will do, so this is the way to try one. With `EX10_AUTH=none`, the user is `local` and may do everything.',
      tags: ['access'],
      response: { 200: Me }
    }
  }, async (request, reply) => {
    const { user, role, scopes } = request.principal
    return { user, role, scopes: [...scopes], ...(request.isLoggedIn && { csrfToken: app.logins.csrfToken(request, reply) }) }
  })
}

export default getMe
