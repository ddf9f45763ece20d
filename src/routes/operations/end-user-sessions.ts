import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { EndedSessions } from '#schemas/admin.ts'
import { errors } from '#schemas/common.ts'
import { UserName } from '#schemas/key.ts'

/** DELETE /admin/users/:user/sessions: ends all of a user's sessions, including those that are being made or wait for their turn. */
const endUserSessions: FastifyPluginAsyncTypebox = async app => {
  app.delete('/admin/users/:user/sessions', {
    config: { scope: 'admin', noted: 'user.end-sessions' },
    schema: {
      operationId: 'endUserSessions',
      summary: 'Ends all sessions of a user, or only lists them',
      description: 'Includes sessions that are being made or wait for their turn. With `dryRun`, nothing ends: the answer lists the sessions that would.',
      tags: ['administration'],
      params: Type.Object({ user: UserName }),
      querystring: Type.Object({ dryRun: Type.Optional(Type.Union([Type.Boolean(), Type.Literal('1'), Type.Literal('0')], { description: 'Only list the sessions' })) }, { additionalProperties: false }),
      response: { 200: EndedSessions, ...errors(400) }
    }
  }, async request => {
    const { user } = request.params
    const dryRun = request.query.dryRun === true || request.query.dryRun === '1'
    const ids = app.rights.sessions(request.principal).filter(({ owner }) => owner === user).map(({ id }) => id)
    if (dryRun) return { dryRun, ended: ids, failed: [] }
    app.creations.turnAway(user)
    await request.note({ target: user, details: { sessions: ids.length } })
    await app.sessions.endAll(ids, 'killed')
    const left = app.sessions.list().map(({ id }) => id)
    return { dryRun, ended: ids.filter(id => !left.includes(id)), failed: ids.filter(id => left.includes(id)) }
  })
}

export default endUserSessions
