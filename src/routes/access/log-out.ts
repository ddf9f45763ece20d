import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done } from '#schemas/common.ts'

const LoggedOut = Type.Composite([Done, Type.Object({ url: Type.Optional(Type.String({ description: 'The address at which the browser logs out at the provider, too. The provider sends it back' })) })])

const logOut: FastifyPluginAsyncTypebox = async app => {
  app.post('/logout', {
    config: { scope: 'any', noted: 'logout' },
    schema: {
      operationId: 'logOut',
      summary: 'Ends the login of this browser; an API key stays in force',
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
