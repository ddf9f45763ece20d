import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Ex10Error } from '#errors.ts'
import { errors } from '#schemas/common.ts'

/** GET /login/oidc/callback: the person comes back from the provider, with a code that the server redeems there. */
const finishOidcLogin: FastifyPluginAsyncTypebox = async app => {
  const { oidc } = app
  if (!oidc) return
  app.get('/login/oidc/callback', {
    config: { scope: 'everybody', noted: 'login', noStore: true },
    errorHandler: app.pages.showRefusal,
    logSerializers: { req: ({ method }: { method: string }) => ({ method, url: '/login/oidc/callback' }) }, // without the code
    schema: {
      operationId: 'finishOidcLogin',
      summary: 'Where the provider sends the browser back to; answers with a cookie that speaks for the person from then on',
      tags: ['access'],
      querystring: Type.Object({ state: Type.String({ maxLength: 256 }) }),
      response: { 302: Type.Null({ description: 'To the page that was wanted' }), ...errors(400, 403, 429, 503) }
    }
  }, async (request, reply) => {
    reply.header('referrer-policy', 'no-referrer')
    const { principal, next } = await oidc.finish(request, reply, request.query.state).catch(async err => {
      request.log.warn({ err }, 'not logged in') // the operator reads what the person is not told
      // whoever comes back with a good answer is let in, however many at the same address do not
      throw err instanceof Ex10Error && err.statusCode < 500 ? await app.rateLimits.refused(request, reply, err) : err
    })
    await request.note({ by: principal, details: { provider: app.config.oidcIssuer } })
    return reply.redirect(next)
  })
}

export default finishOidcLogin
