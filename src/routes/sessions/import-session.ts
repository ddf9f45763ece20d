import accepts from '@fastify/accepts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ARCHIVE_BYTES } from '#domain/code/archive-names.ts'
import { errors } from '#schemas/common.ts'
import { Binary } from '#schemas/file.ts'
import { creationResponses, SessionCreated } from '#schemas/progress.ts'
import { incoming } from '#routes/code/incoming.ts'
import { answerInKind, vary } from './creation-stream.ts'

const TYPES = ['application/gzip', 'application/zstd', 'application/octet-stream'] as const

/** POST /sessions/import: makes a session of an archive of another one. */
const importSession: FastifyPluginAsyncTypebox = async app => {
  await app.register(accepts)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser([...TYPES], (_request, payload, done) => done(null, payload))
  app.post('/sessions/import', {
    bodyLimit: ARCHIVE_BYTES,
    config: { scope: 'create', streamsBody: TYPES },
    onRequest: [app.rateLimits.creation, vary].flat(),
    schema: {
      operationId: 'importSession',
      summary: 'Makes a session of the archive of another one, and answers or streams its progress as POST /sessions does',
      description: 'The archive is one of `GET /sessions/{id}/snapshot`, of this server or another. It is read whole before anything is made; an archive in which anything is wrong is refused.',
      tags: ['memory'],
      body: { content: Object.fromEntries(TYPES.map(type => [type, { schema: Binary }])) },
      response: {
        ...creationResponses,
        201: { description: 'To a request that accepts application/json', content: { 'application/json': { schema: SessionCreated } } },
        ...errors(413, 415, 500, 502, 504)
      }
    }
  }, async (request, reply) => {
    const { content, mayGoOn } = incoming(app, request, ARCHIVE_BYTES, 'ARCHIVE_TOO_LARGE')
    const length = request.headers['content-length']
    const { archive, release } = await app.uploads.keep(request.principal.user, content, length === undefined ? undefined : Number(length), () => true)
    const remember = await mayGoOn().then(() => app.remembering.unpack(archive)).catch((error: unknown) => {
      release()
      throw error
    })
    return await answerInKind(app, { options: {}, remember, release }, request, reply)
  })
}

export default importSession
