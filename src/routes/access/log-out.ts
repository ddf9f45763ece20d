import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LoggedOut } from '#schemas/login.ts'

const logOut: FastifyPluginAsyncTypebox = async app => {
  app.post('/logout', {
    config: { scope: 'any', noted: 'logout' },
    schema: {
      operationId: 'logOut',
      summary: 'Ends the login of this browser; an API key stays in force',
      description: 'The server forgets the login, and the browser its cookie. Called with an API key, it changes nothing.',
      tags: ['access'],
      response: { 200: LoggedOut }
    }
  }, async (request, reply) => {
    const login = request.isLoggedIn ? await app.logins.close(request, reply) : undefined
    if (login) await request.note({})
    const url = login && 'issuer' in login ? await app.oidc?.logoutUrl() : undefined
    return { success: true as const, message: 'You are logged out', ...(url !== undefined && { url }) }
  })
}

export default logOut
