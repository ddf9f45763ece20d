import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'

const endLogin: FastifyPluginAsyncTypebox = async app => {
  app.delete('/me/logins/:id', {
    config: { scope: 'create', noted: 'logout' },
    schema: {
      operationId: 'endLogin',
      summary: 'Logs you out of one of your browsers',
      tags: ['access'],
      params: Type.Object({ id: Type.String() }),
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
