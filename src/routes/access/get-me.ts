import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Me } from '#schemas/key.ts'

/** GET /me: who the server takes the caller for. */
const getMe: FastifyPluginAsyncTypebox = async app => {
  app.get('/me', {
    config: { scope: 'any' },
    schema: {
      operationId: 'getMe',
      summary: 'Tells who you are, and what your credential is good for',
      tags: ['access'],
      response: { 200: Me }
    }
  }, async (request, reply) => {
    const { user, role, scopes } = request.principal
    return { user, role, scopes: [...scopes], ...(request.isLoggedIn && { csrfToken: app.logins.csrfToken(request, reply) }) }
  })
}

export default getMe
