import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Ex10Error } from '#errors.ts'
import { errors } from '#schemas/common.ts'

/** GET /login/oidc/callback: the browser returns from the provider with a code, which the server redeems there. */
const finishOidcLogin: FastifyPluginAsyncTypebox = async app => {
  const { oidc } = app
  if (!oidc) return
  app.get('/login/oidc/callback', {
    config: { scope: 'everybody', noted: 'login' },
    errorHandler: app.pages.showRefusal,
    logSerializers: { req: ({ method }: { method: string }) => ({ method, url: '/login/oidc/callback' }) }, // without the code
    schema: {
      operationId: 'finishOidcLogin',
      summary: 'Receives the browser from the provider, and opens a login: sets its cookie',
      description: 'The provider sends the browser here, with a code that the server redeems. There is such a route only with `EX10_AUTH=oidc`.',
      tags: ['access'],
      querystring: Type.Object({ state: Type.String({ maxLength: 256, description: 'Which login it is' }) }),
      response: { 302: Type.Null({ description: 'To the page that the login began with' }), ...errors(400, 403, 429, 503) }
    }
  }, async (request, reply) => {
    reply.header('referrer-policy', 'no-referrer')
    const { principal, next } = await oidc.finish(request, reply, request.query.state).catch(async err => {
      request.log.warn({ err }, 'provider login failed') // the log shows the cause, which the answer hides
      // counts only failed logins: a valid answer opens a login, even when the address is over its limit
      throw err instanceof Ex10Error && err.statusCode < 500 ? await app.rateLimits.refused(request, reply, err) : err
    })
    await request.note({ by: principal, details: { provider: app.config.oidcIssuer } })
    return reply.redirect(next)
  })
}

export default finishOidcLogin
