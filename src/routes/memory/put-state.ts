import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Json } from '#domain/memory/merge-patch.ts'
import { conditionsOf } from '#routes/code/incoming.ts'
import { errors } from '#schemas/common.ts'
import { StateChanged, StateConditions } from '#schemas/state.ts'
import { failure } from '#errors.ts'
import { authorOf, changed, LEVELS, pathOf } from './levels.ts'

const putState: FastifyPluginAsyncTypebox = async app => {
  for (const { url, name, of, params, content, bodyLimit } of LEVELS) {
    app.put(url, {
      bodyLimit,
      config: { scope: 'push', session: 'ready', noted: 'session.state-changed', counts: 'use', tooLarge: 'STATE_TOO_LARGE' },
      schema: {
        operationId: `put${name}`,
        summary: `Replaces ${of}`,
        description: 'What the body does not have is deleted. With If-Match or If-None-Match, only if the condition holds. 201 when there was nothing, else 200. All of the state is all categories but `preferences` and `temporary_data`.',
        tags: ['memory'],
        params,
        headers: StateConditions,
        body: content,
        response: { 200: StateChanged, 201: StateChanged, ...errors(400, 412, 413, 503, 507) }
      }
    }, async (request, reply) => {
      if (request.body === undefined) throw failure('BAD_REQUEST', { message: 'The body is missing: send JSON' })
      const outcome = await app.state.change(request.session, pathOf(request), { put: request.body as Json }, authorOf(request), conditionsOf(request.headers))
      reply.code(outcome.wasThere ? 200 : 201)
      return changed(reply, outcome)
    })
  }
}

export default putState
