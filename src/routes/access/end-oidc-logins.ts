import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Ex10Error } from '#errors.ts'
import { Done, errors } from '#schemas/common.ts'
import { LogoutNotice } from '#schemas/login.ts'

/** The provider's name in the audit log. */
const PROVIDER = { user: 'provider' }

/** POST /login/oidc/backchannel: the provider reports that a session there has ended. */
const endOidcLogins: FastifyPluginAsyncTypebox = async app => {
  const { oidc } = app
  if (!oidc) return
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (_request: unknown, body: string | Buffer) => Object.fromEntries(new URLSearchParams(body.toString())))
  app.post('/login/oidc/backchannel', {
    bodyLimit: 65_536,
    config: { scope: 'everybody', noted: 'logout' },
    schema: {
      operationId: 'endOidcLogins',
      summary: 'For the provider (OpenID Connect Back-Channel Logout): ends the logins of a session that has ended there, and the links made by them',
      description: 'Called by the provider, with a token that it has signed. There is such a route only with `EX10_AUTH=oidc`.',
      tags: ['access'],
      consumes: ['application/x-www-form-urlencoded'],
      body: LogoutNotice,
      response: { 200: Done, ...errors(400, 413, 429, 503) }
    }
  }, async (request, reply) => {
    const { users, links } = await oidc.takeLogout(request.body.logout_token, async session => ({ users: await app.logins.closeOf(session), links: await app.shares.revokeOf(session) }))
      .catch(async err => { throw err instanceof Ex10Error ? await app.rateLimits.refused(request, reply, err) : err })
    const [user] = users // all of these logins are one user's
    await request.note({ by: PROVIDER, ...(user !== undefined && { target: user }), details: { logins: users.length, links } })
    return { success: true as const, message: `${users.length} logins have ended` }
  })
}

export default endOidcLogins
