import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'

/** GET /display/:version/*: the pages' files. They are equal for all sessions, and browsers cache them for ever. */
const getDisplayFile: FastifyPluginAsyncTypebox = async app => {
  app.get('/display/:version/*', {
    config: { scope: 'everybody' },
    schema: { hide: true, params: Type.Object({ version: Type.String(), '*': Type.String() }) }
  }, async (request, reply) => {
    const file = app.pages.file(request.params.version, request.params['*'])
    if (!file) throw failure('NOT_FOUND')
    reply.headers(file.headers)
    const accepted = request.headers['accept-encoding'] ?? ''
    if (/\bbr\b/.test(accepted)) return reply.header('content-encoding', 'br').send(file.br)
    if (/\bgzip\b/.test(accepted)) return reply.header('content-encoding', 'gzip').send(file.gzip)
    return reply.send(file.body)
  })
}

export default getDisplayFile
