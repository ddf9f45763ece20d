import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'

/** Names a page of this server, and none elsewhere: browsers take `//` and `/\` for the beginning of another host. */
const LocalPath = Type.String({ pattern: '^/(?![/\\\\])[!-~]*$', maxLength: 512, default: '/', description: 'Where to go in the end: a path of this server' })

/** GET /login/oidc: a person goes to the provider to log in. */
const beginOidcLogin: FastifyPluginAsyncTypebox = async app => {
  const { oidc } = app
  if (!oidc) return
  app.get('/login/oidc', {
    config: { scope: 'everybody', noStore: true },
    errorHandler: app.pages.showRefusal,
    schema: {
      operationId: 'beginOidcLogin',
      summary: 'Sends the browser to the provider, to log in there',
      tags: ['access'],
      querystring: Type.Object({ next: Type.Optional(LocalPath) }, { additionalProperties: false }),
      response: { 302: Type.Null({ description: 'To the provider' }), ...errors(400, 503) }
    }
  }, async (request, reply) => reply.redirect(await oidc.begin(reply, request.query.next ?? '/')))
}

export default beginOidcLogin
