import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ARCHIVE_BYTES } from '#domain/code/archive-names.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { archiveContent, Imported, ImportQuery } from '#schemas/file.ts'
import { incoming, takesAnyBody } from './incoming.ts'

const importFiles: FastifyPluginAsyncTypebox = async app => {
  takesAnyBody(app)
  app.post('/sessions/:id/import', {
    bodyLimit: ARCHIVE_BYTES,
    config: { scope: 'push', session: 'ready', noted: 'session.pushed', streamsBody: true },
    schema: {
      operationId: 'importFiles',
      summary: 'Replaces the extension\'s source files with those of an archive (zip, tar.gz or CRX, by its content), all or none',
      description: 'Files that are not in the archive are deleted unless `merge` is set. The import counts as one push.',
      tags: ['code'],
      params: SessionParams,
      querystring: ImportQuery,
      body: { content: archiveContent },
      response: { 200: Imported, ...errors(400, 413, 429, 502, 503, 507) }
    }
  }, async request => {
    const { session } = request
    const { written, deleted, version } = await app.files.unpack(session, incoming(app, request, ARCHIVE_BYTES, 'ARCHIVE_TOO_LARGE'), request.query.merge === true)
    const outcome = request.query.wait ? await app.codeUpdates.settled(session) : undefined
    return { success: true as const, message: 'Archive imported', version, ...outcome, written, deleted }
  })
}

export default importFiles
