import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { conditionsOf } from '#routes/code/incoming.ts'
import { errors } from '#schemas/common.ts'
import { StateChanged, StateConditions } from '#schemas/state.ts'
import { authorOf, changed, LEVELS, pathOf } from './levels.ts'

const deleteState: FastifyPluginAsyncTypebox = async app => {
  for (const { url, name, of, params } of LEVELS) {
    app.delete(url, {
      config: { scope: 'push', session: 'ready', noted: 'session.state-changed', counts: 'use' },
      schema: {
        operationId: `delete${name}`,
        summary: `Deletes ${of}`,
        description: 'With If-Match or If-None-Match, only if the condition holds. A version before can be gone back to. All of the state is all categories but `preferences` and `temporary_data`.',
        tags: ['memory'],
        params,
        headers: StateConditions,
        response: { 200: StateChanged, ...errors(400, 412, 503, 507) }
      }
    }, async (request, reply) => {
      return changed(reply, await app.state.change(request.session, pathOf(request), 'delete', authorOf(request), conditionsOf(request.headers)))
    })
  }
}

export default deleteState
