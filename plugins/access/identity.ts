import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { KEY_PREFIX } from '#domain/access/api-key.ts'
import { clientOf } from '#domain/access/login.ts'
import { isPageLoad } from '#domain/http/page-load.ts'
import { LOCAL, mayDo, type Principal } from '#domain/principal.ts'
import type { Credential } from '#domain/access/credential.ts'
import { bearerToken } from '#domain/access/token.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The user of the request; not set on routes for everybody. */
    principal: Principal
    /** The credential that the principal was authenticated by. */
    credential: Credential
    /** The principal was authenticated by a cookie, so that the request could come from another site's page. */
    isLoggedIn: boolean
  }
}

interface Holder { principal: Principal, credential: Credential }

/** Authenticates requests: by an API key, the provider's token or a login; with EX10_AUTH=none everyone is the local user. */
async function identity (app: FastifyInstance): Promise<void> {
  const { auth } = app.config

  /** Null when the request has no credential, `unknown` when its credential does not hold. */
  async function authenticate (request: FastifyRequest, reply: FastifyReply): Promise<Holder | 'unknown' | null> {
    if (auth === 'none') return { principal: LOCAL, credential: app.credentials.find('none') }
    const { authorization } = request.headers
    if (authorization !== undefined) {
      app.transport.checkKey(request)
      return await holderOf(authorization) ?? 'unknown'
    }
    const login = await app.logins.find(request, reply)
    request.isLoggedIn = login !== null
    return login && { principal: login.principal, credential: app.credentials.find('login', login.id) }
  }

  async function holderOf (authorization: string): Promise<Holder | undefined> {
    const secret = bearerToken(authorization)
    if (secret?.startsWith(KEY_PREFIX)) {
      const key = await app.keys.find(secret)
      return key && { principal: key, credential: app.credentials.find('key', key.id) }
    }
    const holder = secret === undefined ? undefined : await app.oidc?.holderOf(secret)
    return holder && { principal: holder.principal, credential: app.credentials.find('token', holder.until.toISOString()) }
  }

  app.decorateRequest('principal')
  app.decorateRequest('credential')
  app.decorateRequest('isLoggedIn', false)
  app.addHook('onRequest', async (request, reply) => {
    const { scope } = request.routeOptions.config
    if (request.is404 || scope === 'everybody') return
    if (isByMetricsToken(request)) return app.transport.checkKey(request)
    reply.header('www-authenticate', 'Bearer realm="ex10"')
    const holder = await authenticate(request, reply)
    if (holder === 'unknown') throw await app.rateLimits.unknownKey(request, reply)
    if (!holder && isPageLoad(request)) return reply.redirect(app.publicAddress.path(`/?next=${encodeURIComponent(app.publicAddress.path(request.url))}`))
    if (!holder) throw failure('UNAUTHENTICATED')
    reply.removeHeader('www-authenticate')
    if (!scope || (scope !== 'any' && !mayDo(holder.principal, scope))) throw failure('FORBIDDEN', { details: { scope } })
    request.principal = holder.principal
    request.credential = holder.credential
  })
  // receiving the body may have taken two minutes, and the credential may have ended in that time
  app.addHook('preHandler', async request => {
    const { is404, routeOptions, credential, headers, ip } = request
    if (is404 || routeOptions.config.scope === 'everybody' || isByMetricsToken(request)) return
    if (!await credential.holds(clientOf(headers, ip))) throw failure('UNAUTHENTICATED')
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (request.isLoggedIn && app.origins.isChange(request)) app.csrfProtection(request, reply, done)
    else done()
  })

  /** Such a request has no principal: its route must not use one. */
  function isByMetricsToken ({ routeOptions, headers }: FastifyRequest): boolean {
    return routeOptions.config.takesMetricsToken === true && app.metricsToken.isIn(headers.authorization)
  }
}

export default fp(identity, { name: 'identity', dependencies: ['config', 'credentials', 'keys', 'logins', 'metrics-token', 'oidc', 'origins', 'public-address', 'rate-limits', 'route-rules', 'transport'] })
