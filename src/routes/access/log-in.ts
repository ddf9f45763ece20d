import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'
import { LogInRequest } from '#schemas/login.ts'

/** POST /login: opens a login by an API key, for browsers, which cannot send the key with each page load. */
const logIn: FastifyPluginAsyncTypebox = async app => {
  app.post('/login', {
    config: { scope: 'everybody', noted: 'login' },
    schema: {
      operationId: 'logIn',
      summary: 'Opens a login by an API key: sets its cookie',
      description: 'For browsers, which cannot send a key with each page. Programs need no login: they send the key as a bearer token with each request.',
      tags: ['access'],
      body: LogInRequest,
      response: { 200: Done, ...errors(400, 401, 429) }
    }
  }, async (request, reply) => {
    if (app.config.auth === 'none') throw failure('BAD_REQUEST', { message: 'This server needs no login' })
    app.transport.checkKey(request)
    const key = await app.keys.find(request.body.key)
    if (!key) throw await app.rateLimits.unknownKey(request, reply)
    await app.rateLimits.login(request, reply, key.id)
    await app.logins.open(request, reply, key, { keyId: key.id })
    await request.note({ by: key, details: { keyId: key.id } })
    return { success: true as const, message: `You are logged in as ${key.user}` }
  })
}

export default logIn
