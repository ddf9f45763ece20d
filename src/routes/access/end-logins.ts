import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'
import { UserName } from '#schemas/key.ts'
import { Ended } from '#schemas/login.ts'

/** DELETE /me/logins and DELETE /admin/users/:user/logins. */
const endLogins: FastifyPluginAsyncTypebox = async app => {
  app.delete('/me/logins', {
    config: { scope: 'create', noted: 'user.end-logins' },
    schema: {
      operationId: 'endOtherLogins',
      summary: 'Logs you out of all browsers but this one',
      description: 'The login that sends the request stays. API keys stay in force.',
      tags: ['access'],
      response: { 200: Ended }
    }
  }, async request => {
    const { user } = request.principal
    const ended = await app.logins.endAll(user, request)
    if (ended > 0) await request.note({ target: user, details: { logins: ended } })
    return { ended }
  })

  app.delete('/admin/users/:user/logins', {
    config: { scope: 'admin', noted: 'user.end-logins' },
    schema: {
      operationId: 'endUserLogins',
      summary: 'Logs a user out of all browsers, and revokes the links that they made without an API key; keys stay in force',
      description: 'For a user who has lost a device, or has left. Their sessions go on: end them by `DELETE /admin/users/{user}/sessions`.',
      tags: ['administration'],
      params: Type.Object({ user: UserName }),
      response: { 200: Ended, ...errors(400) }
    }
  }, async request => {
    const { user } = request.params
    const [ended, links] = [await app.logins.endAll(user), await app.shares.revokeBy(user)]
    await request.note({ target: user, details: { logins: ended, links } })
    return { ended }
  })
}

export default endLogins
