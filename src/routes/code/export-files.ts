import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { Binary, ExportQuery } from '#schemas/file.ts'
import { asDownload } from './download.ts'

const exportFiles: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/export', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'exportFiles',
      summary: 'Sends a zip of the extension for a store: without hidden files, and of a bundled extension the production build',
      description: 'Source maps are left out unless `sourceMaps` is set. Refused when there is no manifest.json, or when the build fails.',
      tags: ['code'],
      params: SessionParams,
      querystring: ExportQuery,
      response: {
        200: { description: 'The zip. Equal files give equal bytes', content: { 'application/octet-stream': { schema: Binary } } },
        ...errors(413, 429, 502, 507)
      }
    }
  }, async (request, reply) => {
    const { session } = request
    const { content, size } = await app.files.pack(session, request.query.sourceMaps === true, request.gone)
    asDownload(reply, 'extension.zip').header('content-length', size)
    if (request.method !== 'HEAD') return reply.send(content)
    content.destroy()
    return reply.send(Readable.from([]))
  })
}

export default exportFiles
