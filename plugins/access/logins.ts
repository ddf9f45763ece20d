import cookie from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { cookieFor } from '#domain/access/cookie.ts'
import { clientOf, openerOf, whyLoggedOut, type Client, type Login, type Opener, type ProviderSession } from '#domain/access/login.ts'
import type { Principal } from '#domain/principal.ts'
import type { Credential } from '#domain/access/credential.ts'
import { openLogins, type KeptLogin } from '#stores/sqlite/logins.ts'
import { hashToken } from '#domain/access/token.ts'
import { ownSecret } from '#system/instance/own-secret.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** People who have logged in with a browser: a cookie speaks for them. */
    logins: {
      /** Opens a login that ends with what opened it; ends the one that the browser had. */
      open (request: FastifyRequest, reply: FastifyReply, principal: Principal, opener: Opener): void
      /** Who is logged in; null when nobody is, or not any more. */
      find (request: FastifyRequest, reply: FastifyReply): Principal | null
      /** What the login of whoever asks is found by. */
      idOf (request: FastifyRequest): string
      /** The login with this id, for what was opened by it. */
      hold (id: string): Omit<Credential, 'kind' | 'id'>
      /** Ends the login, if there is one, and returns it. */
      close (request: FastifyRequest, reply: FastifyReply): Login | undefined
      /** Whether what opened a login still vouches for its user. */
      vouches (opener: Opener, now?: Date): boolean
      /** Ends those that a session at the provider opened, and returns the user of each. */
      closeOf (session: ProviderSession): string[]
      /** A user's, the one that was used last first; `isOwn` is the one of whoever asks. */
      list (user: string, request: FastifyRequest): (KeptLogin & { isOwn: boolean })[]
      /** Ends one of a user's logins; returns whether there was one. */
      end (user: string, id: string): boolean
      /** Ends all of a user's, but that of `but`, and returns how many. */
      endAll (user: string, but?: FastifyRequest): number
      /** What the pages of this login send as x-csrf-token with whatever changes something; `app.csrfProtection` asks for it. */
      csrfToken (request: FastifyRequest, reply: FastifyReply): string
    }
  }
}

const PRUNE_MS = 3_600_000

async function logins (app: FastifyInstance): Promise<void> {
  const { publicUrl, oidcIssuer, loginIdleTimeout, loginTimeout, bindLogin } = app.config
  const [loginCookie, csrfCookie] = [cookieFor('login', publicUrl), cookieFor('csrf', publicUrl)]
  const limits = { idleSeconds: loginIdleTimeout, absoluteSeconds: loginTimeout, bound: bindLogin }
  const seenMs = Math.min(60_000, loginIdleTimeout * 100) // a tenth of it: not every request is worth a write
  const secret = ownSecret(app.instance.folder.cookieSecret)
  const store = openLogins(app.instance.folder.logins)

  await app.register(cookie, { secret })
  await app.register(csrf, {
    cookieKey: csrfCookie.name,
    cookieOpts: csrfCookie.options,
    getToken: request => request.headers['x-csrf-token']?.toString(),
    getUserInfo: request => userInfo(request),
    csrfOpts: { hmacKey: secret }
  })

  function tokenOf (request: FastifyRequest): string | undefined {
    const { valid, value } = request.unsignCookie(request.cookies[loginCookie.name] ?? '')
    return valid ? value ?? undefined : undefined
  }

  /** A token of one login is no good in another. */
  function userInfo (request: FastifyRequest): string {
    return hashToken(tokenOf(request) ?? '')
  }

  function close (request: FastifyRequest, reply: FastifyReply): Login | undefined {
    const token = tokenOf(request)
    for (const { name, options } of [loginCookie, csrfCookie]) reply.clearCookie(name, options)
    return token === undefined ? undefined : store.remove(token)
  }

  /** A provider that is not the server's any more does so for nobody. */
  function vouches (opener: Opener, now = new Date()): boolean {
    return 'keyId' in opener ? app.keys.isInForce(opener.keyId, now) : opener.issuer === oidcIssuer
  }

  function whyOver (login: Login, from: Client, now: Date) {
    return vouches(login, now) ? whyLoggedOut(login, from, limits, now) : 'revoked'
  }

  /** What only keeps the books: a full disk neither logs anybody out nor ends the server. */
  function keepBooks (work: () => void): void {
    try {
      work()
    } catch (err) {
      app.log.error({ err }, 'login write failed')
    }
  }

  const seen = (id: string, now: Date) => keepBooks(() => store.seen(id, now))
  const prune = () => keepBooks(() => {
    const before = (seconds: number) => new Date(Date.now() - seconds * 1000)
    store.prune(before(loginTimeout), before(loginIdleTimeout))
  })

  prune()
  const closing = new AbortController()
  const pruning = every(PRUNE_MS, prune, closing.signal)
  app.addHook('onClose', async () => {
    closing.abort()
    await pruning
    store.close()
  })

  app.decorate('logins', {
    open (request, reply, { user, role, scopes }, opener) {
      close(request, reply)
      const now = new Date()
      const token = store.create({ principal: { user, role, scopes }, ...opener, createdAt: now, seenAt: now, ...clientOf(request.headers, request.ip) })
      reply.setCookie(loginCookie.name, token, loginCookie.options)
    },
    find (request, reply) {
      const token = tokenOf(request)
      const login = token === undefined ? undefined : store.find(token)
      if (!login) return null
      const now = new Date()
      const why = whyOver(login, clientOf(request.headers, request.ip), now)
      if (why) {
        request.log.info({ user: login.principal.user, why }, 'logged out')
        close(request, reply)
        return null
      }
      if (now.getTime() - login.seenAt.getTime() > seenMs) seen(login.id, now)
      return login.principal
    },
    idOf: request => store.idOf(tokenOf(request) ?? ''),
    hold (id) {
      let usedAt = -Infinity
      const holds = (from?: Client) => {
        const login = store.get(id)
        return login !== undefined && !whyOver(login, from ?? login, new Date())
      }
      const opened = store.get(id)
      return {
        opener: opened && openerOf(opened),
        holds,
        used () {
          if (performance.now() - usedAt < seenMs) return
          usedAt = performance.now()
          keepBooks(() => { if (holds()) store.seen(id, new Date()) })
        }
      }
    },
    vouches,
    close,
    closeOf: store.removeOf,
    list (user, request) {
      const own = store.idOf(tokenOf(request) ?? '')
      return store.list(user).filter(login => !whyOver(login, login, new Date())).map(login => ({ ...login, isOwn: login.id === own }))
    },
    end: store.removeById,
    endAll: (user, but) => store.removeAll(user, but && tokenOf(but)),
    csrfToken: (request, reply) => reply.generateCsrf({ userInfo: userInfo(request) })
  } satisfies FastifyInstance['logins'])
}

export default fp(logins, { name: 'logins', dependencies: ['config', 'keys', 'instance'] })
