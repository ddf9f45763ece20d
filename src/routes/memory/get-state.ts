import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hashesOf, tagOf } from '#domain/code/entity-tags.ts'
import { errors } from '#schemas/common.ts'
import { StateReadConditions } from '#schemas/state.ts'
import { LEVELS, pathOf } from './levels.ts'

const getState: FastifyPluginAsyncTypebox = async app => {
  for (const { url, name, of, params, content } of LEVELS) {
    app.get(url, {
      config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
      schema: {
        operationId: `get${name}`,
        summary: `Sends ${of}`,
        description: 'The JSON as it was written, without white space. The ETag names its version. A client with If-None-Match that has it already gets 304. Categories without values are empty objects.',
        tags: ['memory'],
        params,
        headers: StateReadConditions,
        response: {
          200: content,
          304: { description: 'It still has an ETag of If-None-Match', type: 'null' },
          ...errors(400)
        }
      }
    }, async (request, reply) => {
      const known = hashesOf(request.headers['if-none-match'], true)
      const { text, tag, at } = await app.state.read(request.session, pathOf(request))
      reply.headers({ etag: tagOf(tag), 'cache-control': 'private, no-cache', ...(at !== undefined && { 'last-modified': new Date(at).toUTCString() }) })
      if (known === '*' || known?.includes(tag)) return reply.code(304).send()
      return reply.type('application/json; charset=utf-8').send(text)
    })
  }
}

export default getState
