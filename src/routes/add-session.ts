import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { creationResponses } from '../schemas/progress.ts'
import { CreateSessionOptions } from '../schemas/session.ts'
import { streamCreation } from './creation-stream.ts'

/** POST /sessions: the same as GET /createSession, for new clients. */
const addSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions', {
    config: { scope: 'create' },
    onRequest: app.rateLimits.creation,
    // no body asks for the defaults; null is one, and is refused
    preValidation: async (request: FastifyRequest) => { if (request.body === undefined) request.body = {} },
    schema: {
      operationId: 'addSession',
      summary: 'Creates a session and streams its progress',
      tags: ['sessions'],
      body: CreateSessionOptions,
      response: creationResponses
    }
  }, (request, reply) => streamCreation(app, request.body, request, reply))
}

export default addSession
