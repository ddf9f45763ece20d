import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Json } from '#domain/memory/merge-patch.ts'
import { conditionsOf } from '#routes/code/incoming.ts'
import { errors } from '#schemas/common.ts'
import { StateChanged, StateConditions, StatePatch } from '#schemas/state.ts'
import { failure } from '#errors.ts'
import { authorOf, changed, LEVELS, pathOf } from './levels.ts'

const PATCH_TYPE = 'application/merge-patch+json'

const patchState: FastifyPluginAsyncTypebox = async app => {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(PATCH_TYPE, { parseAs: 'string' }, (request, body, done) => { parse(request, String(body), done) })

  for (const { url, name, of, params, bodyLimit } of LEVELS) {
    app.patch(url, {
      bodyLimit,
      config: { scope: 'push', session: 'ready', noted: 'session.state-changed', counts: 'use', tooLarge: 'STATE_TOO_LARGE' },
      schema: {
        operationId: `patch${name}`,
        summary: `Changes ${of} by a JSON Merge Patch`,
        description: 'RFC 7396: a member that is null is deleted, an object is merged with what is there, anything else replaces it. Values that the patch does not name stay, also when others change them at the same moment. 201 when there was nothing, else 200.',
        tags: ['memory'],
        params,
        headers: StateConditions,
        body: { content: { [PATCH_TYPE]: { schema: StatePatch }, 'application/json': { schema: StatePatch } } },
        response: { 200: StateChanged, 201: StateChanged, ...errors(400, 412, 413, 503, 507) }
      }
    }, async (request, reply) => {
      if (request.body === undefined) throw failure('BAD_REQUEST', { message: 'The body is missing: send a JSON Merge Patch' })
      const outcome = await app.state.change(request.session, pathOf(request), { patch: request.body as Json }, authorOf(request), conditionsOf(request.headers))
      reply.code(outcome.wasThere ? 200 : 201)
      return changed(reply, outcome)
    })
  }
}

export default patchState
