import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { FileList } from '#schemas/file.ts'

const listFiles: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/files', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'listFiles',
      summary: 'Lists the extension\'s source files, at most 20,000',
      description: 'Each file with its size, its SHA-256 and the time of its last change. Folders that tools fill, such as `.git` and `node_modules`, are left out.',
      tags: ['code'],
      params: SessionParams,
      response: { 200: FileList, ...errors(413, 429, 502) }
    }
  }, async ({ session, gone }) => {
    const { files, truncated } = await app.files.list(session, gone)
    return { files: files.map(file => ({ ...file, modified: new Date(file.modified).toISOString() })), truncated }
  })
}

export default listFiles
