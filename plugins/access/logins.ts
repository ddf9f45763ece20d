import cookie, { Signer } from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { cookieFor } from '#domain/access/cookie.ts'
import { clientOf, loginIdOf, openerOf, whyLoggedOut, type Client, type Login, type Opener, type ProviderSession } from '#domain/access/login.ts'
import type { Principal } from '#domain/principal.ts'
import type { Credential } from '#domain/access/credential.ts'
import type { KeptLogin } from '#domain/access/login-store.ts'
import { hashToken } from '#domain/access/token.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Logins of browsers, each by a cookie. */
    logins: {
      /** Opens a login, and ends the one that the browser had. The login ends with its opener. */
      open (request: FastifyRequest, reply: FastifyReply, principal: Principal, opener: Opener): Promise<void>
      /** The login of the request's browser; null when it has none, or none that holds. Called for every request with a cookie. */
      find (request: FastifyRequest, reply: FastifyReply): Promise<KeptLogin | null>
      /** The login with this id as a credential, for pages and connections that it opened. */
      hold (id: string): Omit<Credential, 'kind' | 'id'>
      /** Ends the login, if there is one, and returns it. */
      close (request: FastifyRequest, reply: FastifyReply): Promise<Login | undefined>
      /** Whether the opener of a login (a key or a provider) still vouches for its user. */
      vouches (opener: Opener, now?: Date): Promise<boolean>
      /** Ends the logins that a session at the provider opened, and returns the user of each. */
      closeOf (session: ProviderSession): Promise<string[]>
      /** A user's logins, the last used first; `isOwn` marks the login of this request. */
      list (user: string, request: FastifyRequest): Promise<(KeptLogin & { isOwn: boolean })[]>
      /** Ends one of a user's logins; returns whether there was one. */
      end (user: string, id: string): Promise<boolean>
      /** Ends all logins of a user except that of the request `but`, and returns how many. */
      endAll (user: string, but?: FastifyRequest): Promise<number>
      /** The token that this login's pages send as x-csrf-token with each change; `app.csrfProtection` checks it. */
      csrfToken (request: FastifyRequest, reply: FastifyReply): string
    }
  }
}

const PRUNE_MS = 3_600_000

async function logins (app: FastifyInstance): Promise<void> {
  const { publicUrl, oidcIssuer, loginIdleTimeout, loginTimeout, bindLogin } = app.config
  const [loginCookie, csrfCookie] = [cookieFor('login', publicUrl), cookieFor('csrf', publicUrl)]
  const limits = { idleSeconds: loginIdleTimeout, absoluteSeconds: loginTimeout, bound: bindLogin }
  const seenMs = Math.min(60_000, loginIdleTimeout * 100) // a tenth of the timeout: the last use is not written at every request
  const store = await app.instance.stores.openLogins()

  const signer = () => new Signer(app.secrets.list())
  await app.register(cookie, { secret: { sign: value => signer().sign(value), unsign: value => signer().unsign(value) } })
  await app.register(csrf, {
    cookieKey: csrfCookie.name,
    cookieOpts: csrfCookie.options,
    getToken: request => request.headers['x-csrf-token']?.toString(),
    getUserInfo: request => userInfo(request),
    csrfOpts: { hmacKey: app.secrets.list().at(-1) } // the oldest one: open pages keep their tokens over a rotation and the next start
  })

  const seen = (id: string, now: Date) => keepBooks(() => store.seen(id, now))
  const prune = () => keepBooks(() => {
    const before = (seconds: number) => new Date(Date.now() - seconds * 1000)
    return store.prune(before(loginTimeout), before(loginIdleTimeout))
  })

  await prune()
  const closing = new AbortController()
  const pruning = every(PRUNE_MS, prune, closing.signal)
  app.addHook('onClose', async () => {
    closing.abort()
    await pruning
    await store.close()
  })

  app.decorate('logins', {
    async open (request, reply, { user, role, scopes }, opener) {
      await close(request, reply)
      const now = new Date()
      const token = await store.create({ principal: { user, role, scopes }, ...opener, createdAt: now, seenAt: now, ...clientOf(request.headers, request.ip) })
      reply.setCookie(loginCookie.name, token, loginCookie.options)
    },
    async find (request, reply) {
      const token = tokenOf(request)
      const login = token === undefined ? undefined : await store.find(token)
      if (!login) return null
      const now = new Date()
      const why = await whyOver(login, clientOf(request.headers, request.ip), now)
      if (why) {
        request.log.info({ user: login.principal.user, why }, 'logged out')
        await close(request, reply)
        return null
      }
      if (now.getTime() - login.seenAt.getTime() > seenMs) await seen(login.id, now)
      return login
    },
    hold (id) {
      let usedAt = -Infinity
      async function holds (from?: Client, now = new Date()) {
        const login = await store.get(id)
        return login !== undefined && !await whyOver(login, from ?? login, now)
      }
      return {
        holds,
        async opener () {
          const login = await store.get(id)
          return login && openerOf(login)
        },
        used () {
          if (performance.now() - usedAt < seenMs) return
          usedAt = performance.now()
          const now = new Date()
          keepBooks(async () => { if (await holds(undefined, now)) await store.seen(id, now) })
        }
      }
    },
    vouches,
    close,
    closeOf: store.removeOf,
    async list (user, request) {
      const own = loginIdOf(userInfo(request))
      const now = new Date()
      const listed = await Promise.all((await store.list(user)).map(async login => ({ ...login, isOwn: login.id === own, why: await whyOver(login, login, now) })))
      return listed.filter(({ why }) => !why)
    },
    end: store.removeById,
    endAll: (user, but) => store.removeAll(user, but && tokenOf(but)),
    csrfToken: (request, reply) => reply.generateCsrf({ userInfo: userInfo(request) })
  } satisfies FastifyInstance['logins'])

  function tokenOf (request: FastifyRequest): string | undefined {
    const { valid, value } = request.unsignCookie(request.cookies[loginCookie.name] ?? '')
    return valid ? value ?? undefined : undefined
  }

  /** Binds CSRF tokens to their login: the token of one login is refused in another. */
  function userInfo (request: FastifyRequest): string {
    return hashToken(tokenOf(request) ?? '')
  }

  async function close (request: FastifyRequest, reply: FastifyReply): Promise<Login | undefined> {
    const token = tokenOf(request)
    for (const { name, options } of [loginCookie, csrfCookie]) reply.clearCookie(name, options)
    return token === undefined ? undefined : await store.remove(token)
  }

  /** A key vouches while it is in force. A provider vouches only while it is the server's configured one. */
  async function vouches (opener: Opener, now = new Date()): Promise<boolean> {
    return 'keyId' in opener ? await app.keys.isInForce(opener.keyId, now) : opener.issuer === oidcIssuer
  }

  async function whyOver (login: Login, from: Client, now: Date) {
    return await vouches(login, now) ? whyLoggedOut(login, from, limits, now) : 'revoked'
  }

  /** Runs writes that only keep records up to date. A failure is logged: a full disk neither logs users out nor ends the server. */
  async function keepBooks (work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (err) {
      if (!isUnavailable(err)) app.log.error({ err }, 'login write failed')
    }
  }
}

export default fp(logins, { name: 'logins', dependencies: ['config', 'keys', 'secrets', 'instance'] })
