import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { StateVersions, VersionsQuery } from '#schemas/state.ts'

/** The most changes that are shown of a version. */
const SHOWN = 100

const listStateVersions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/state/versions', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'listStateVersions',
      summary: 'Lists the versions of the state, newest first: their times, authors and changes',
      description: 'The last 100 versions are kept, as far as the values that they replaced have 32 MiB. `preferences` have versions of their own: `?category=preferences`. `temporary_data` has none.',
      tags: ['memory'],
      params: SessionParams,
      querystring: VersionsQuery,
      response: { 200: StateVersions, ...errors(400) }
    }
  }, async ({ session, query: { limit = 20, ...query } }) => {
    const { version, versions } = await app.state.versions(session, { ...query, limit: limit + 1 })
    const page = versions.slice(0, limit)
    return {
      version,
      versions: page.map(({ changes, ...shown }) => ({ ...shown, changed: changes.length, changes: changes.slice(0, SHOWN) })),
      ...(versions.length > limit && { next: page.at(-1)!.version })
    }
  })
}

export default listStateVersions
