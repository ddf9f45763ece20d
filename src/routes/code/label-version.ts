import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'
import { LabelBody, VersionParams, VersionView } from '#schemas/version.ts'
import { viewOf } from './version-view.ts'

const labelVersion: FastifyPluginAsyncTypebox = async app => {
  app.patch('/sessions/:id/versions/:version', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'labelVersion',
      summary: 'Gives a version a name, or takes it away',
      description: 'The label can stand for the version\'s number wherever a version is named. It makes the version a major point, and it is among the last to go when there are too many.',
      tags: ['code'],
      params: VersionParams,
      body: LabelBody,
      response: { 200: VersionView, ...errors(400, 404, 409) }
    }
  }, async ({ session, params, body }) => {
    const history = await app.history.of(session)
    const version = history.find(params.version)
    const label = body.label ?? undefined
    if (label !== undefined && history.versions.some(other => other !== version && other.label === label)) throw failure('LABEL_TAKEN')
    await history.note(version, { label })
    return viewOf(version)
  })
}

export default labelVersion
