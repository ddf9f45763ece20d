import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'
import { VersionFiles, VersionParams } from '#schemas/version.ts'
import { treeOf } from './version-view.ts'

const listVersionFiles: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/versions/:version/files', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'listVersionFiles',
      summary: 'Lists the files of a version',
      description: 'Each file with its size and its SHA-256.',
      tags: ['code'],
      params: VersionParams,
      response: { 200: VersionFiles, ...errors(400, 404) }
    }
  }, async ({ session, params }) => {
    const files = await app.history.tree(session.id, treeOf((await app.history.of(session)).find(params.version)))
    return { files: [...files].map(([path, entry]) => ({ path, ...entry })) }
  })
}

export default listVersionFiles
