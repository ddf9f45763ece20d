import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { checkFilePath } from '#domain/code/file-path.ts'
import { errors } from '#schemas/common.ts'
import { ChangeConditions, DeleteQuery, FileDeleted, FileParams } from '#schemas/file.ts'
import { conditionsOf, found } from './incoming.ts'

const deleteFile: FastifyPluginAsyncTypebox = async app => {
  app.delete('/sessions/:id/files/*', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'deleteFile',
      summary: 'Deletes one of the extension\'s source files, and the folders that this empties',
      description: 'With If-Match or If-None-Match, only if the file meets the condition. The deletion counts as a push, and is reloaded like one.',
      tags: ['code'],
      params: FileParams,
      headers: ChangeConditions,
      querystring: DeleteQuery,
      response: { 200: FileDeleted, ...errors(400, 412, 502, 503, 507) }
    }
  }, async request => {
    const { session, principal } = request
    const path = checkFilePath(request.params['*'])
    const conditions = conditionsOf(request.headers)
    const { version } = await found(app.files.remove(session, principal.user, path, { ...conditions, ifExists: request.query.ifExists === true }))
    const outcome = request.query.wait ? await app.codeUpdates.settled(session) : undefined
    return { success: true as const, message: 'File deleted', version, ...outcome }
  })
}

export default deleteFile
