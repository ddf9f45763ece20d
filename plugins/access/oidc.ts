import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cookieFor } from '#domain/access/cookie.ts'
import { principalOf } from '#domain/access/claims.ts'
import { readLogoutToken } from '#domain/access/logout-token.ts'
import type { ProviderSession } from '#domain/access/login.ts'
import { createOnce } from '#domain/access/once.ts'
import type { Principal } from '#domain/principal.ts'
import { failure } from '#errors.ts'
import { readClientSecret } from '#system/access/client-secret.ts'
import type { Attempt } from '#system/access/code-flow.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Logging in at an OpenID Connect provider; null where people do not. */
    oidc: Oidc | null
  }
}

interface Oidc {
  /** Begins a login: returns the address at the provider to which the browser goes; `next` is where it goes in the end. */
  begin (reply: FastifyReply, next: string): Promise<string>
  /** Finishes it when the browser comes back, and opens a login here. @throws {Ex10Error} EX10_LOGIN_REFUSED, EX10_TOO_MANY_REQUESTS, EX10_NOT_A_USER, EX10_PROVIDER_UNAVAILABLE */
  finish (request: FastifyRequest, reply: FastifyReply, state: string): Promise<{ principal: Principal, next: string }>
  /** Whose access token this is, and until when; undefined when it is not good. @throws {Ex10Error} EX10_NOT_A_USER, EX10_PROVIDER_UNAVAILABLE */
  holderOf (token: string): Promise<{ principal: Principal, until: Date } | undefined>
  /**
   * Does what is to be done when the session at the provider has ended that this logout token names. A token is good again if that fails.
   * @throws {Ex10Error} EX10_BAD_LOGOUT_TOKEN, also when it was used before, EX10_PROVIDER_UNAVAILABLE
   */
  takeLogout<Result> (logoutToken: string, end: (session: ProviderSession) => Promise<Result>): Promise<Result>
  /** Where the browser goes to log out at the provider, too; undefined where that cannot be. */
  logoutUrl (): Promise<string | undefined>
}

/** What the browser keeps between the two. */
interface Begun extends Attempt {
  next: string
  /** ISO 8601. */
  until: string
}

const ATTEMPT_MS = 600_000 // people look for their second factor
const LOGOUT_TOKEN_MS = 120_000
const REMEMBERED_MS = 2 * LOGOUT_TOKEN_MS // clocks may be apart
const MAX_REMEMBERED = 10_000

async function oidc (app: FastifyInstance): Promise<void> {
  const { auth, publicUrl, oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecretFile, oidcScopes, oidcAudience: audience, oidcUserClaim: userClaim, oidcRoleClaim: roleClaim, oidcUserRole: userRole, oidcAdminRole: adminRole } = app.config
  if (auth !== 'oidc') {
    app.decorate('oidc', null)
    return
  }
  // what they use takes as long to load as all else: nobody waits for it who has no provider
  const [{ authorizationUrl, endSessionUrl, newAttempt, redeem }, { discoverLazily }, { readToken }] = await Promise.all([
    import('#system/access/code-flow.ts'), import('#system/access/discovery.ts'), import('#system/access/tokens.ts')
  ])
  const discover = discoverLazily({ issuer, clientId, ...(oidcClientSecretFile && { clientSecret: readClientSecret(oidcClientSecretFile) }) })
  const rules = { userClaim, roleClaim, userRole, adminRole }
  const attempts = createOnce(MAX_REMEMBERED)
  const logoutTokens = createOnce(MAX_REMEMBERED)
  const { name, options } = cookieFor('oidc', publicUrl)

  /** The attempt that this browser has begun and that the provider answers: it is no good a second time. */
  function take (request: FastifyRequest, reply: FastifyReply, state: string): Begun {
    const { valid, value } = request.unsignCookie(request.cookies[name] ?? '')
    const begun = Object.fromEntries(new URLSearchParams(valid ? value : '')) as unknown as Begun // ours, since we have signed it
    if (begun.state !== state) throw failure('LOGIN_REFUSED')
    reply.clearCookie(name, options)
    const until = new Date(begun.until)
    if (!(until > new Date() && attempts.use(state, until))) throw failure('LOGIN_REFUSED')
    return begun
  }

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
      await app.rateLimits.callback(request, reply) // no other request makes the server ask the provider
      const claims = await redeem(await discover(), new URL(request.url, publicUrl), attempt)
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
    logoutUrl: () => discover().then(found => endSessionUrl(found, `${publicUrl}/`), () => undefined) // nobody has to wait for it to log out here
  } satisfies Oidc)

  // who has mistyped a setting reads it now, and not when somebody logs in
  app.addHook('onReady', async () => {
    discover().catch(err => app.log.warn({ err, issuer }, 'the provider does not answer yet'))
  })
}

export default fp(oidc, { name: 'oidc', dependencies: ['config', 'logins', 'rate-limits'] })
