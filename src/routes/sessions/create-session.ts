import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { creationResponses } from '#schemas/progress.ts'
import { CreateSessionOptions } from '#schemas/session.ts'
import { streamCreation } from './creation-stream.ts'

/** GET /createSession: creates a session, for existing front ends. */
const createSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/createSession', {
    exposeHeadRoute: false, // a link checker's HEAD would create a session
    config: { scope: 'create', changesState: true },
    onRequest: app.rateLimits.creation,
    schema: {
      operationId: 'createSession',
      summary: 'Creates a session and streams its progress',
      description: 'For existing front ends; new clients use `POST /sessions`. The answer is a stream of ProgressLines; the last one has the id of the session, or the code of the error. A client that closes the connection before the end gives the session up.',
      tags: ['sessions'],
      querystring: CreateSessionOptions,
      response: creationResponses
    }
  }, (request, reply) => streamCreation(app, { options: request.query }, request, reply))
}

export default createSession
