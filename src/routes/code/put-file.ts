import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { tagOf } from '#domain/code/entity-tags.ts'
import { FILE_BYTES } from '#domain/code/file-changes.ts'
import { checkFilePath } from '#domain/code/file-path.ts'
import { errors } from '#schemas/common.ts'
import { Binary, ChangeConditions, FileParams, FileQuery, FileWritten } from '#schemas/file.ts'
import { conditionsOf, incoming, takesAnyBody } from './incoming.ts'

const putFile: FastifyPluginAsyncTypebox = async app => {
  takesAnyBody(app)
  app.put('/sessions/:id/files/*', {
    bodyLimit: FILE_BYTES,
    config: { scope: 'push', session: 'ready', noted: 'session.pushed', streamsBody: true },
    schema: {
      operationId: 'putFile',
      summary: 'Writes one of the extension\'s source files, of at most 100 MiB; with If-Match or If-None-Match, only if the file meets the condition',
      description: 'The body is the content, as it is. 201 when the file is new, 200 when it was there. The change counts as a push, and is reloaded like one.',
      tags: ['code'],
      params: FileParams,
      headers: ChangeConditions,
      querystring: FileQuery,
      body: { content: { 'application/octet-stream': { schema: Binary } } },
      response: { 200: FileWritten, 201: FileWritten, ...errors(400, 412, 413, 429, 502, 503, 507) }
    }
  }, async (request, reply) => {
    const { session } = request
    const path = checkFilePath(request.params['*'])
    const conditions = conditionsOf(request.headers)
    const { made, version, size, hash } = await app.files.write(session, path, incoming(app, request, FILE_BYTES, 'FILE_TOO_LARGE'), conditions)
    const outcome = request.query.wait ? await app.codeUpdates.settled(session) : undefined
    reply.code(made > 0 ? 201 : 200).header('etag', tagOf(hash))
    return { success: true as const, message: 'File written', version, ...outcome, size, hash }
  })
}

export default putFile
