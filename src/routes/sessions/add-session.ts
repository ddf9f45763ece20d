import { finished } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ARCHIVE_BYTES } from '#domain/code/archive-names.ts'
import { toAllFiles } from '#domain/code/file-changes.ts'
import { mediaType } from '#domain/code/media-type.ts'
import { errors } from '#schemas/common.ts'
import { ARCHIVE_TYPES, archiveContent } from '#schemas/file.ts'
import { creationResponses } from '#schemas/progress.ts'
import { CreateSessionOptions, NewSession } from '#schemas/session.ts'
import { streamCreation } from './creation-stream.ts'
import { incoming } from '#routes/code/incoming.ts'

const isArchive = new Set<string>(ARCHIVE_TYPES)
const JSON_BYTES = 20 * 1024 * 1024

/** POST /sessions: creates a session, as GET /createSession does, for new clients. Its body may hold the session's first files. */
const addSession: FastifyPluginAsyncTypebox = async app => {
  app.addContentTypeParser([...ARCHIVE_TYPES], (_request, payload, done) => done(null, payload))

  async function withArchive (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { content, mayGoOn } = incoming(app, request, ARCHIVE_BYTES, 'ARCHIVE_TOO_LARGE')
    const length = request.headers['content-length']
    const { archive, release } = await app.uploads.keep(request.principal.user, content, length === undefined ? undefined : Number(length))
    finished(reply.raw, release)
    await mayGoOn()
    return await streamCreation(app, request.query as CreateSessionOptions, request, reply, { archive })
  }

  app.post('/sessions', {
    bodyLimit: JSON_BYTES,
    config: { scope: 'create', streamsBody: ARCHIVE_TYPES },
    onRequest: app.rateLimits.creation,
    // a missing body means the defaults; a body of null is refused
    preValidation: async (request: FastifyRequest) => { if (request.body === undefined) request.body = {} },
    schema: {
      operationId: 'addSession',
      summary: 'Creates a session and streams its progress',
      tags: ['sessions'],
      querystring: CreateSessionOptions,
      body: { content: { 'application/json': { schema: NewSession }, ...archiveContent } },
      response: { ...creationResponses, ...errors(413) }
    }
  }, async (request, reply) => {
    if (isArchive.has(mediaType(request.headers['content-type']))) return await withArchive(request, reply)
    const { files, ...options } = request.body as NewSession
    return await streamCreation(app, options, request, reply, files && { changes: toAllFiles(files) })
  })
}

export default addSession
