import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hashesOf, tagOf } from '#domain/code/entity-tags.ts'
import { checkFilePath } from '#domain/code/file-path.ts'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'
import { Binary, ReadConditions } from '#schemas/file.ts'
import { VersionFileParams } from '#schemas/version.ts'
import { asDownload } from './download.ts'
import { treeOf } from './version-view.ts'

const getVersionFile: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/versions/:version/files/*', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'getVersionFile',
      summary: 'Sends a file as it was in a version',
      description: 'The bytes as they are, as an attachment of the type application/octet-stream, so that no browser runs them. With If-None-Match, a client that has the content gets 304.',
      tags: ['code'],
      params: VersionFileParams,
      headers: ReadConditions,
      response: {
        200: { description: 'The file. Its ETag identifies the content', content: { 'application/octet-stream': { schema: Binary } } },
        304: { description: 'The file has the content that If-None-Match names', type: 'null' },
        ...errors(400, 404)
      }
    }
  }, async (request, reply) => {
    const { session, params } = request
    const path = checkFilePath(params['*'])
    const known = hashesOf(request.headers['if-none-match'], true)
    const files = await app.history.tree(session.id, treeOf((await app.history.of(session)).find(params.version)))
    const file = files.get(path)
    if (!file) throw failure('FILE_NOT_FOUND')
    asDownload(reply, path).header('etag', tagOf(file.hash))
    if (known === '*' || known?.includes(file.hash)) return reply.code(304).send()
    reply.header('content-length', file.size)
    return reply.send(request.method === 'HEAD' ? '' : await app.history.content(session.id, file.hash))
  })
}

export default getVersionFile
