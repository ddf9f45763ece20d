import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Done, errors } from '../schemas/common.ts'

const logOut: FastifyPluginAsyncTypebox = async app => {
  app.post('/logout', {
    schema: {
      operationId: 'logOut',
      summary: 'Ends the login of this browser; an API key stays in force',
      tags: ['access'],
      response: { 200: Done, ...errors(401, 403, 421) }
    }
  }, async (request, reply) => {
    app.logins.close(request, reply)
    app.auditLog.note(request, { action: 'logout' })
    request.log.info({ user: request.principal.user }, 'logged out')
    return { success: true as const, message: 'You are logged out' }
  })
}

export default logOut
