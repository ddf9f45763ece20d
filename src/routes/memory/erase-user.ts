import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ERASED_USER } from '#domain/operations/audit-entry.ts'
import { mayDo } from '#domain/principal.ts'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'
import { ErasedData } from '#schemas/erasure.ts'
import { UserName } from '#schemas/key.ts'

/** DELETE /users/:user/data */
const eraseUser: FastifyPluginAsyncTypebox = async app => {
  app.delete('/users/:user/data', {
    config: { scope: 'create', noted: 'user.erased' },
    schema: {
      operationId: 'eraseUserData',
      summary: 'Erases what is kept of a user, and says how much',
      description: 'A user may erase their own data, an admin everybody\'s. Archives, recovery points, preferences, analytics, names in the statistics, and what the audit log says of the user. Sessions must have ended. API keys, logins and links stay.',
      tags: ['administration'],
      params: Type.Object({ user: UserName }),
      response: { 200: ErasedData, ...errors(400, 409) }
    }
  }, async request => {
    const { user } = request.params
    const { principal } = request
    const isOwn = user === principal.user
    if (!isOwn && !mayDo(principal, 'admin')) throw failure('FORBIDDEN', { details: { scope: 'admin' } })
    const { erased, failed } = await app.erasure.erase(user)
    // noted without the user, whom it must not name
    await app.auditLog.note({ user: isOwn ? ERASED_USER : principal.user, action: 'user.erased', details: Object.fromEntries(Object.entries(erased).filter(([, count]) => count > 0)) })
    return { erased, failed }
  })
}

export default eraseUser
