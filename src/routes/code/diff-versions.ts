import { buffer } from 'node:stream/consumers'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { addPatches, diffTrees } from '#domain/code/tree-diff.ts'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'
import { DiffQuery, VersionDiff, VersionParams } from '#schemas/version.ts'
import { treeOf } from './version-view.ts'

const diffVersions: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/versions/:version/diff', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'diffVersions',
      summary: 'Compares two versions',
      description: 'The files that lead from the version to the one that `to` names, or to the newest: each with both contents\' hashes and sizes, and text files of at most 256 KiB with a unified diff, as far as all together are not too much.',
      tags: ['code'],
      params: VersionParams,
      querystring: DiffQuery,
      response: { 200: VersionDiff, ...errors(400, 404) }
    }
  }, async ({ session: { id }, session, params, query }) => {
    const history = await app.history.of(session)
    const from = history.find(params.version)
    const to = query.to === undefined ? history.versions.at(-1) : history.find(query.to)
    if (!to) throw failure('VERSION_NOT_FOUND')
    const [before, after] = await Promise.all([from, to].map(version => app.history.tree(id, treeOf(version))))
    const files = diffTrees(before!, after!)
    await addPatches(files, async hash => await buffer(await app.history.content(id, hash)))
    return { from: from.version, to: to.version, files }
  })
}

export default diffVersions
