import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cookieFor } from '#domain/access/cookie.ts'
import { principalOf } from '#domain/access/claims.ts'
import { readLogoutToken } from '#domain/access/logout-token.ts'
import type { ProviderSession } from '#domain/access/login.ts'
import { createOnce } from '#domain/access/once.ts'
import type { Principal } from '#domain/principal.ts'
import { failure } from '#errors.ts'
import type { Attempt } from '#system/access/code-flow.ts'
import { readSecret } from '#system/access/secret-file.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Logins at an OpenID Connect provider; null without EX10_AUTH=oidc. */
    oidc: Oidc | null
  }
}

interface Oidc {
  /** Begins a login. Returns the provider's URL for the browser; `next` is the path that the browser is sent to after the login. */
  begin (reply: FastifyReply, next: string): Promise<string>
  /** Finishes it when the browser comes back, and opens a login here. @throws {Ex10Error} EX10_LOGIN_REFUSED, EX10_TOO_MANY_REQUESTS, EX10_NOT_A_USER, EX10_PROVIDER_UNAVAILABLE */
  finish (request: FastifyRequest, reply: FastifyReply, state: string): Promise<{ principal: Principal, next: string }>
  /** The principal of an access token, and its expiry; undefined when the token is not valid. @throws {Ex10Error} EX10_NOT_A_USER, EX10_PROVIDER_UNAVAILABLE */
  holderOf (token: string): Promise<{ principal: Principal, until: Date } | undefined>
  /**
   * Checks a logout token, and calls `end` with the provider session that it names. A token can be used once, or again after `end` has failed.
   * @throws {Ex10Error} EX10_BAD_LOGOUT_TOKEN, also for a used token; EX10_PROVIDER_UNAVAILABLE
   */
  takeLogout<Result> (logoutToken: string, end: (session: ProviderSession) => Promise<Result>): Promise<Result>
  /** The URL at which the browser logs out at the provider, too; undefined when the provider has none or does not answer. */
  logoutUrl (): Promise<string | undefined>
}

/** The content of the browser's signed cookie between `begin` and `finish`. */
interface Begun extends Attempt {
  next: string
  /** ISO 8601. */
  until: string
}

const ATTEMPT_MS = 600_000 // people need time for their second factor
const LOGOUT_TOKEN_MS = 120_000
const REMEMBERED_MS = 2 * LOGOUT_TOKEN_MS // the two machines' clocks may differ
const MAX_REMEMBERED = 10_000

async function oidc (app: FastifyInstance): Promise<void> {
  const { auth, publicUrl, oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecretFile, oidcScopes, oidcAudience: audience, oidcUserClaim: userClaim, oidcRoleClaim: roleClaim, oidcUserRole: userRole, oidcAdminRole: adminRole } = app.config
  if (auth !== 'oidc') {
    app.decorate('oidc', null)
    return
  }
  // these modules take as long to load as the rest of the server: load them only with a provider
  const [{ authorizationUrl, endSessionUrl, newAttempt, redeem }, { discoverLazily }, { readToken }] = await Promise.all([
    import('#system/access/code-flow.ts'), import('#system/access/discovery.ts'), import('#system/access/tokens.ts')
  ])
  const discover = discoverLazily({ issuer, clientId, ...(oidcClientSecretFile && { clientSecret: readSecret('EX10_OIDC_CLIENT_SECRET_FILE', oidcClientSecretFile, 'have the provider make a new secret') }) })
  const rules = { userClaim, roleClaim, userRole, adminRole }
  const attempts = createOnce(MAX_REMEMBERED)
  const logoutTokens = createOnce(MAX_REMEMBERED)
  const { name, options } = cookieFor('oidc', publicUrl)

  app.decorate('oidc', {
    async begin (reply, next) {
      const attempt = newAttempt()
      const url = await authorizationUrl(await discover(), attempt, { redirectUri: `${publicUrl}/login/oidc/callback`, scope: oidcScopes.join(' ') })
      const begun: Begun = { ...attempt, next, until: new Date(Date.now() + ATTEMPT_MS).toISOString() }
      reply.setCookie(name, new URLSearchParams({ ...begun }).toString(), { ...options, maxAge: ATTEMPT_MS / 1000 })
      return url
    },
    async finish (request, reply, state) {
      const { next, ...attempt } = take(request, reply, state)
      await app.rateLimits.callback(request, reply) // counted, since a callback makes the server ask the provider
      const claims = await redeem(await discover(), new URL(publicUrl + request.url), attempt)
      const principal = principalOf(claims, rules)
      await app.logins.open(request, reply, principal, { issuer, subject: claims.sub, ...(typeof claims.sid === 'string' && { sid: claims.sid }) })
      return { principal, next }
    },
    async holderOf (token) {
      const claims = audience ? await readToken(await discover(), token, { audience, requiredClaims: ['exp', 'sub'] }) : undefined
      return claims && { principal: principalOf(claims, rules), until: new Date(Number(claims.exp) * 1000) }
    },
    async takeLogout (logoutToken, end) {
      const claims = await readToken(await discover(), logoutToken, { audience: clientId, maxTokenAge: LOGOUT_TOKEN_MS / 1000 })
      const logout = claims && readLogoutToken(claims)
      if (!logout || !logoutTokens.use(logout.jti, new Date(Date.now() + REMEMBERED_MS))) throw failure('BAD_LOGOUT_TOKEN')
      try {
        return await end({ ...logout, issuer })
      } catch (error) {
        logoutTokens.forget(logout.jti)
        throw error
      }
    },
    logoutUrl: () => discover().then(found => endSessionUrl(found, `${publicUrl}/`), () => undefined) // logging out here works without the provider, too
  } satisfies Oidc)

  // a mistyped setting is logged at the start, not at the first login
  app.addHook('onReady', async () => {
    discover().catch(err => app.log.warn({ err, issuer }, 'provider discovery failed'))
  })

  /** The attempt that this browser has begun, by the `state` of the provider's answer. Each attempt is accepted once. */
  function take (request: FastifyRequest, reply: FastifyReply, state: string): Begun {
    const { valid, value } = request.unsignCookie(request.cookies[name] ?? '')
    const begun = Object.fromEntries(new URLSearchParams(valid ? value : '')) as unknown as Begun // the signature shows that this server wrote it
    if (begun.state !== state) throw failure('LOGIN_REFUSED')
    reply.clearCookie(name, options)
    const until = new Date(begun.until)
    if (!(until > new Date() && attempts.use(state, until))) throw failure('LOGIN_REFUSED')
    return begun
  }
}

export default fp(oidc, { name: 'oidc', dependencies: ['config', 'logins', 'rate-limits'] })
