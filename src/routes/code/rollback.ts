import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { RollbackBody, RollbackQuery, RolledBack } from '#schemas/version.ts'
import { treeOf } from './version-view.ts'

const rollback: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/rollback', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'rollBack',
      summary: 'Makes the extension\'s sources as they were in an earlier version, all or none. Then the browser reloads the changed parts',
      description: 'Counts as one push. Files that the version does not have are deleted; folders that tools fill, such as `.git` and `node_modules`, stay as they are.',
      tags: ['code'],
      params: SessionParams,
      querystring: RollbackQuery,
      body: RollbackBody,
      response: { 200: RolledBack, ...errors(400, 404, 502, 503, 507) }
    }
  }, async ({ session, principal, body, query }) => {
    const target = (await app.history.of(session)).find(body.version)
    const { version: rolledBackTo } = target
    const version = await app.rollbacks.goBack(session, () => treeOf(target), { by: principal.user, rolledBackTo })
    const outcome = body.wait || query.wait ? await app.codeUpdates.settled(session) : undefined
    return { success: true as const, message: `The files are those of version ${rolledBackTo}`, version, rolledBackTo, ...outcome }
  })
}

export default rollback
