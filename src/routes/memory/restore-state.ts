import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { conditionsOf } from '#routes/code/incoming.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { RestoreState, StateChanged, StateConditions } from '#schemas/state.ts'
import { authorOf, changed } from './levels.ts'

const restoreState: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/state/restore', {
    config: { scope: 'push', session: 'ready', noted: 'session.state-changed', counts: 'use' },
    schema: {
      operationId: 'restoreState',
      summary: 'Goes back to a version of the state',
      description: 'The values become what they were at that version. That is a change like any other: it makes a new version, and can be gone back from.',
      tags: ['memory'],
      params: SessionParams,
      headers: StateConditions,
      body: RestoreState,
      response: { 200: StateChanged, ...errors(400, 412, 413, 503, 507) }
    }
  }, async (request, reply) => {
    const { version, category } = request.body
    return changed(reply, await app.state.rewind(request.session, version, category, authorOf(request), conditionsOf(request.headers)))
  })
}

export default restoreState
