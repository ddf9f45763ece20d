import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hashesOf, tagOf } from '#domain/code/entity-tags.ts'
import { checkFilePath } from '#domain/code/file-path.ts'
import { errors } from '#schemas/common.ts'
import { Binary, FileParams, ReadConditions } from '#schemas/file.ts'
import { asDownload } from './download.ts'
import { found } from './incoming.ts'

const getFile: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/files/*', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'getFile',
      summary: 'Sends one of the extension\'s source files',
      description: 'The bytes as they are, as an attachment of the type application/octet-stream, so that no browser runs them. With If-None-Match, a client that has the content gets 304.',
      tags: ['code'],
      params: FileParams,
      headers: ReadConditions,
      response: {
        200: { description: 'The file. Its ETag identifies the content', content: { 'application/octet-stream': { schema: Binary } } },
        304: { description: 'The file still has the content that If-None-Match names', type: 'null' },
        ...errors(400, 413, 429, 502)
      }
    }
  }, async (request, reply) => {
    const { session } = request
    const path = checkFilePath(request.params['*'])
    const known = hashesOf(request.headers['if-none-match'], true)
    const { content, size, hash, modified } = await found(app.files.read(session, path, request.gone))
    asDownload(reply, path).headers({ etag: tagOf(hash), 'last-modified': new Date(modified).toUTCString() })
    const isKnown = known === '*' || known?.includes(hash)
    if (!isKnown && request.method !== 'HEAD') return reply.header('content-length', size).send(content)
    content.destroy()
    return isKnown ? reply.code(304).send() : reply.header('content-length', size).send(Readable.from([]))
  })
}

export default getFile
