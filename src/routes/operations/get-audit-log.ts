import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditLog, AuditLogQuery } from '#schemas/admin.ts'
import { errors } from '#schemas/common.ts'

const VERIFY_MS = 60_000

/** GET /admin/audit-log */
const getAuditLog: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/audit-log', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getAuditLog',
      summary: 'Lists the actions of users and admins, newest first',
      description: 'Each entry has the hash of the entry before it, so a change of an old entry can be seen: with `verify`, the server computes the whole chain anew.',
      tags: ['administration'],
      querystring: AuditLogQuery,
      response: { 200: AuditLog, ...errors(400) }
    }
  }, async ({ query: { limit = 100, verify, ...query } }) => {
    const shown = { entries: await app.auditLog.page({ ...query, limit }), head: await app.auditLog.head() }
    if (!verify) return shown
    const firstBroken = await app.auditLog.firstBroken(AbortSignal.timeout(VERIFY_MS))
    return { ...shown, intact: firstBroken === undefined, ...(firstBroken !== undefined && { firstBroken }) }
  })
}

export default getAuditLog
