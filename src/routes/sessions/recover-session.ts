import accepts from '@fastify/accepts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { keyedRequest } from '#domain/sessions/keyed-request.ts'
import { errors } from '#schemas/common.ts'
import { creationResponses, SessionCreated } from '#schemas/progress.ts'
import { RecoverRequest } from '#schemas/recovery.ts'
import { CreationHeaders } from '#schemas/session.ts'
import { answerInKind, vary } from './creation-stream.ts'

/** POST /recover: brings an ended session back as a new one. */
const recoverSession: FastifyPluginAsyncTypebox = async app => {
  await app.register(accepts)
  app.post('/recover', {
    config: { scope: 'create' },
    onRequest: [app.rateLimits.creation, vary].flat(),
    schema: {
      operationId: 'recoverSession',
      summary: 'Brings an ended session back as a new one, and answers or streams its progress as POST /sessions does',
      description: 'The new session has the code, the state, the extension\'s storage and the tabs of the earlier one, and says `recoveredFrom` and `recoveredAt`. The token is used up; when the new session does not become ready, the token is valid again.',
      tags: ['memory'],
      headers: CreationHeaders,
      body: RecoverRequest,
      response: {
        ...creationResponses,
        201: { description: 'To a request that accepts application/json', content: { 'application/json': { schema: SessionCreated } } },
        ...errors(404, 409, 422, 500, 502, 504)
      }
    }
  }, async (request, reply) => {
    const { principal: { user }, body, headers: { 'idempotency-key': key } } = request
    const marks = key === undefined ? undefined : keyedRequest(user, key, { recover: body })
    return await answerInKind(app, { options: {}, remember: app.remembering.recover(user, body.token), request: marks }, request, reply)
  })
}

export default recoverSession
