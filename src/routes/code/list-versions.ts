import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { VersionList, VersionsQuery } from '#schemas/version.ts'
import { viewOf } from './version-view.ts'

const listVersions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/versions', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'listVersions',
      summary: 'Lists the versions of the extension that are kept, newest first',
      description: 'Every push is a version. A version is a major point when the browser has run it, or when it has a label. At most 100 MiB of a session are kept (`EX10_HISTORY_SIZE`), and 1000 versions. Beyond that, versions that no browser ran go first, then the oldest; those with a label go last.',
      tags: ['code'],
      params: SessionParams,
      querystring: VersionsQuery,
      response: { 200: VersionList, ...errors(400) }
    }
  }, async ({ session, query: { before = Infinity, limit = 50 } }) => {
    const { versions: all } = await app.history.of(session)
    const earlier = all.filter(({ version }) => version < before)
    const versions = earlier.slice(-limit).reverse()
    return { versions: versions.map(viewOf), ...(earlier.length > limit && { next: versions.at(-1)!.version }) }
  })
}

export default listVersions
