import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { FileList } from '#schemas/file.ts'

const listFiles: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/files', {
    schema: {
      operationId: 'listFiles',
      summary: 'Lists the extension\'s source files, at most 20,000',
      tags: ['code'],
      params: SessionParams,
      response: { 200: FileList, ...errors(401, 403, 404, 409, 413, 421, 429, 502) }
    }
  }, async (request, reply) => {
    const session = app.rights.readySession(request.principal, request.params.id)
    app.auditLog.noteForeign(request, 'session.viewed', session)
    const { files, truncated } = await app.files.list(session, request.gone)
    reply.header('cache-control', 'no-store')
    return { files: files.map(file => ({ ...file, modified: new Date(file.modified).toISOString() })), truncated }
  })
}

export default listFiles
