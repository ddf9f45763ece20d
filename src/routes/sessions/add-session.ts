import { createHash } from 'node:crypto'
import accepts from '@fastify/accepts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Value } from '@sinclair/typebox/value'
import type { FastifyRequest } from 'fastify'
import { ARCHIVE_BYTES } from '#domain/code/archive-names.ts'
import { toAllFiles } from '#domain/code/file-changes.ts'
import { mediaType } from '#domain/code/media-type.ts'
import type { KeyedRequest } from '#domain/session.ts'
import { keyedRequest } from '#domain/sessions/keyed-request.ts'
import { errors } from '#schemas/common.ts'
import { ARCHIVE_TYPES, archiveContent } from '#schemas/file.ts'
import { creationResponses, SessionCreated } from '#schemas/progress.ts'
import { CreateSessionOptions, CreationHeaders, NewSession } from '#schemas/session.ts'
import { answerInKind, vary, type WantedCreation } from './creation-stream.ts'
import { incoming } from '#routes/code/incoming.ts'

const isArchive = new Set<string>(ARCHIVE_TYPES)
const JSON_BYTES = 20 * 1024 * 1024

/** POST /sessions: creates a session, as GET /createSession does, for new clients. Its body may hold the session's first files. */
const addSession: FastifyPluginAsyncTypebox = async app => {
  await app.register(accepts)
  app.addContentTypeParser([...ARCHIVE_TYPES], (_request, payload, done) => done(null, payload))

  async function withArchive (request: FastifyRequest): Promise<WantedCreation> {
    const { content, mayGoOn } = incoming(app, request, ARCHIVE_BYTES, 'ARCHIVE_TOO_LARGE')
    const length = request.headers['content-length']
    const hash = createHash('sha256')
    const { archive, release } = await app.uploads.keep(request.principal.user, hashed(content, hash), length === undefined ? undefined : Number(length))
    try {
      await mayGoOn()
    } catch (error) {
      release()
      throw error
    }
    const options = request.query as CreateSessionOptions
    return { options, own: { archive }, release, request: keyed(request, { ...options, archive: hash.digest('hex') }) }
  }

  function withJson (request: FastifyRequest): WantedCreation {
    const { files, ...options } = request.body as NewSession
    return { options, own: files && { changes: toAllFiles(files) }, request: keyed(request, request.body) }
  }

  app.post('/sessions', {
    bodyLimit: JSON_BYTES,
    config: { scope: 'create', streamsBody: ARCHIVE_TYPES },
    onRequest: [app.rateLimits.creation, vary].flat(),
    // a missing body means the defaults; a body of null is refused
    preValidation: async (request: FastifyRequest) => { if (request.body === undefined) request.body = Value.Default(NewSession, {}) },
    schema: {
      operationId: 'addSession',
      summary: 'Creates a session, and answers when it is ready or streams its progress',
      description: 'With `Accept: application/json`, one answer: 201 when the session is ready, or the error with its status. Otherwise a stream of ProgressLines; the last one has the id of the session, or the code of the error. With an Idempotency-Key, a repeated request makes no second session. The body may hold the files that the session begins with: as JSON, or as an archive with the options in the query. A client that closes the connection before the end gives the session up.',
      tags: ['sessions'],
      headers: CreationHeaders,
      querystring: CreateSessionOptions,
      body: { content: { 'application/json': { schema: NewSession }, ...archiveContent } },
      response: {
        ...creationResponses,
        201: { description: 'To a request that accepts application/json', content: { 'application/json': { schema: SessionCreated } } },
        ...errors(404, 413, 422, 500, 502, 504)
      }
    }
  }, async (request, reply) => {
    const wanted = isArchive.has(mediaType(request.headers['content-type'])) ? await withArchive(request) : withJson(request)
    return await answerInKind(app, wanted, request, reply)
  })
}

/** The marks of a request with an Idempotency-Key; undefined for one without. */
function keyed (request: FastifyRequest, body: unknown): KeyedRequest | undefined {
  const key = (request.headers as CreationHeaders)['idempotency-key']
  return key === undefined ? undefined : keyedRequest(request.principal.user, key, body)
}

async function * hashed (content: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of content) {
    hash.update(piece)
    yield piece
  }
}

export default addSession
