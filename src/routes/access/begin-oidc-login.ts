import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'

/** A path of this server and of no other: browsers read `//` and `/\` as the beginning of another host. */
const LocalPath = Type.String({ pattern: '^/(?![/\\\\])[!-~]*$', maxLength: 512, description: 'The path that the browser is sent to after the login; by default that of the home page' })

/** GET /login/oidc: sends the browser to the provider to log in. */
const beginOidcLogin: FastifyPluginAsyncTypebox = async app => {
  const { oidc } = app
  if (!oidc) return
  app.get('/login/oidc', {
    config: { scope: 'everybody' },
    errorHandler: app.pages.showRefusal,
    schema: {
      operationId: 'beginOidcLogin',
      summary: 'Sends the browser to the provider, to log in there',
      description: 'For browsers: open this address, do not fetch it. There is such a route only with `EX10_AUTH=oidc`.',
      tags: ['access'],
      querystring: Type.Object({ next: Type.Optional(LocalPath) }, { additionalProperties: false }),
      response: { 302: Type.Null({ description: 'To the provider' }), ...errors(400, 503) }
    }
  }, async (request, reply) => reply.redirect(await oidc.begin(reply, request.query.next ?? app.publicAddress.path('/'))))
}

export default beginOidcLogin
