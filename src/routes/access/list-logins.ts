import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LoginList } from '#schemas/login.ts'

const listLogins: FastifyPluginAsyncTypebox = async app => {
  app.get('/me/logins', {
    config: { scope: 'view' },
    schema: {
      operationId: 'listLogins',
      summary: 'Lists the browsers in which you are logged in, the last used first',
      description: 'One login is one browser. `current` marks the login that sent the request.',
      tags: ['access'],
      response: { 200: LoginList }
    }
  }, async request => ({
    logins: (await app.logins.list(request.principal.user, request)).map(login => ({
      id: login.id,
      current: login.isOwn,
      address: login.address,
      openedAt: login.createdAt.toISOString(),
      seenAt: login.seenAt.toISOString(),
      ...('keyId' in login && { keyId: login.keyId })
    }))
  }))
}

export default listLogins
