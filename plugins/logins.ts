import { createHash } from 'node:crypto'
import { join } from 'node:path'
import cookie, { type CookieSerializeOptions } from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiKey } from '../src/domain/api-key.ts'
import { whyLoggedOut, type Client } from '../src/domain/login.ts'
import type { Principal } from '../src/domain/principal.ts'
import { openLogins } from '../src/system/login-store.ts'
import { hashToken, ownSecret } from '../src/system/secret-token.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** People who have logged in with a browser: a cookie speaks for them. */
    logins: {
      /** Opens a login for whoever shows this key; ends the one that the browser had. */
      open (request: FastifyRequest, reply: FastifyReply, key: ApiKey): void
      /** Who is logged in; null when nobody is, or not any more. */
      find (request: FastifyRequest, reply: FastifyReply): Principal | null
      /** Ends the login, if there is one. */
      close (request: FastifyRequest, reply: FastifyReply): void
      /** What the pages of this login send as x-csrf-token with whatever changes something; `app.csrfProtection` asks for it. */
      csrfToken (request: FastifyRequest, reply: FastifyReply): string
    }
  }
}

const PRUNE_MS = 3_600_000

async function logins (app: FastifyInstance): Promise<void> {
  const { dataDir, publicUrl, loginIdleTimeout, loginTimeout, bindLogin } = app.config
  const isSecure = publicUrl.startsWith('https:')
  // the prefix binds it to this very host, and is for HTTPS only
  const name = (what: string) => `${isSecure ? '__Host-' : ''}ex10-${what}`
  const options: CookieSerializeOptions = { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure, signed: true }
  const limits = { idleSeconds: loginIdleTimeout, absoluteSeconds: loginTimeout, bound: bindLogin }
  const seenMs = Math.min(60_000, loginIdleTimeout * 100) // a tenth of it: not every request is worth a write
  const secret = ownSecret(join(dataDir, 'cookie-secret'))
  const store = openLogins(join(dataDir, 'logins.db'))

  await app.register(cookie, { secret })
  await app.register(csrf, {
    cookieKey: name('csrf'),
    cookieOpts: options,
    getToken: request => request.headers['x-csrf-token']?.toString(),
    getUserInfo: request => userInfo(request),
    csrfOpts: { hmacKey: secret }
  })

  function tokenOf (request: FastifyRequest): string | undefined {
    const { valid, value } = request.unsignCookie(request.cookies[name('login')] ?? '')
    return valid ? value ?? undefined : undefined
  }

  /** A token of one login is no good in another. */
  function userInfo (request: FastifyRequest): string {
    return hashToken(tokenOf(request) ?? '')
  }

  function close (request: FastifyRequest, reply: FastifyReply): void {
    const token = tokenOf(request)
    if (token !== undefined) store.remove(token)
    for (const what of ['login', 'csrf']) reply.clearCookie(name(what), options)
  }

  function prune (): void {
    const before = (seconds: number) => new Date(Date.now() - seconds * 1000)
    store.prune(before(loginTimeout), before(loginIdleTimeout))
  }

  prune()
  const timer = setInterval(prune, PRUNE_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    store.close()
  })

  app.decorate('logins', {
    open (request, reply, { id: keyId, user, role, scopes }) {
      close(request, reply)
      const now = new Date()
      const token = store.create({ principal: { user, role, scopes }, keyId, createdAt: now, seenAt: now, ...clientOf(request) })
      reply.setCookie(name('login'), token, options)
    },
    find (request, reply) {
      const token = tokenOf(request)
      const login = token === undefined ? undefined : store.find(token)
      if (token === undefined || !login) return null
      const now = new Date()
      const why = app.keys.isInForce(login.keyId, now) ? whyLoggedOut(login, clientOf(request), limits, now) : 'revoked'
      if (why) {
        request.log.info({ user: login.principal.user, why }, 'logged out')
        close(request, reply)
        return null
      }
      if (now.getTime() - login.seenAt.getTime() > seenMs) store.seen(token, now)
      return login.principal
    },
    close,
    csrfToken: (request, reply) => reply.generateCsrf({ userInfo: userInfo(request) })
  } satisfies FastifyInstance['logins'])
}

function clientOf ({ headers, ip }: FastifyRequest): Client {
  const words = ['user-agent', 'accept-language', 'sec-ch-ua-platform'].map(header => headers[header] ?? '')
  return { fingerprint: createHash('sha256').update(JSON.stringify(words)).digest('hex'), address: ip }
}

export default fp(logins, { name: 'logins', dependencies: ['config', 'keys', 'registry'] })
