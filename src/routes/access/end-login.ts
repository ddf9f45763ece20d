import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'

const endLogin: FastifyPluginAsyncTypebox = async app => {
  app.delete('/me/logins/:id', {
    config: { scope: 'create', noted: 'logout' },
    schema: {
      operationId: 'endLogin',
      summary: 'Logs you out of one of your browsers',
      description: 'The browser with that login is logged out, and the displays and events that it has open are closed within two seconds.',
      tags: ['access'],
      params: Type.Object({ id: Type.String({ description: 'Names the login' }) }),
      response: { 200: Done, ...errors(404) }
    }
  }, async request => {
    const { id } = request.params
    if (!await app.logins.end(request.principal.user, id)) throw failure('LOGIN_NOT_FOUND')
    await request.note({ target: id })
    return { success: true as const, message: 'The login has ended' }
  })
}

export default endLogin
