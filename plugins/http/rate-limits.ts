import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { failure, type Ex10Error } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Limits of attempts a minute. */
    rateLimits: {
      /** The `onRequest` of every route that makes sessions. The routes share one count, for each user at each address. */
      creation: onRequestAsyncHookHandler | []
      /** The `onRequest` of the route that makes links. Links have the same limit as creations and are counted apart from them. */
      sharing: onRequestAsyncHookHandler | []
      /** Counts a login before it is opened, by key and address, because each login is stored and noted. @throws {Ex10Error} EX10_TOO_MANY_REQUESTS */
      login (request: FastifyRequest, reply: FastifyReply, keyId: string): Promise<void>
      /** Counts login callbacks by address. Allows ten times `EX10_FAILURE_RATE` a minute, because each one makes the server ask the provider. @throws {Ex10Error} EX10_TOO_MANY_REQUESTS */
      callback (request: FastifyRequest, reply: FastifyReply): Promise<void>
      /** Counts a failed key or token, by address. Returns EX10_UNKNOWN_KEY, or EX10_TOO_MANY_REQUESTS when the address is over its limit. */
      unknownKey (request: FastifyRequest, reply: FastifyReply): Promise<Ex10Error>
      /** Counts a failed credential of any other kind. Returns `error`, or EX10_TOO_MANY_REQUESTS when the address is over its limit. */
      refused (request: FastifyRequest, reply: FastifyReply, error: Ex10Error): Promise<Ex10Error>
    }
  }
}

const MINUTE_MS = 60_000

async function rateLimits (app: FastifyInstance): Promise<void> {
  const { createRate, failureRate } = app.config
  await app.register(rateLimit, {
    global: false,
    enableDraftSpec: true, // ratelimit-limit, -remaining and -reset
    errorResponseBuilder: (_request, { ttl }) => failure('TOO_MANY_REQUESTS', { retryAfterSeconds: Math.ceil(ttl / 1000) })
  })
  const countFailure = app.createRateLimit({ max: failureRate, timeWindow: MINUTE_MS }) // by address; an IPv6 address counts as its /64, which one client usually owns
  const opening = new WeakMap<FastifyRequest, string>()
  const countLogin = app.createRateLimit({ max: failureRate, timeWindow: MINUTE_MS, keyGenerator: request => `${opening.get(request)} ${normalizeIP(request.ip)}` })
  const countCallback = app.createRateLimit({ max: 10 * failureRate, timeWindow: MINUTE_MS })

  app.decorate('rateLimits', {
    creation: ofUsers(),
    sharing: ofUsers(),
    login (request, reply, keyId) {
      opening.set(request, keyId)
      return countOrRefuse(countLogin, request, reply)
    },
    callback: (request, reply) => countOrRefuse(countCallback, request, reply),
    unknownKey: (request, reply) => refused(request, reply, failure('UNKNOWN_KEY')),
    refused
  } satisfies FastifyInstance['rateLimits'])

  function ofUsers (): onRequestAsyncHookHandler | [] {
    return createRate > 0 ? app.rateLimit({ max: createRate, timeWindow: MINUTE_MS, keyGenerator: ({ principal, ip }) => `${principal.user} ${normalizeIP(ip)}` }) : []
  }

  /** The error to answer with when the count is over its limit; sets the `ratelimit-*` headers then. */
  function refusalOf (count: Awaited<ReturnType<typeof countLogin>>, reply: FastifyReply): Ex10Error | undefined {
    if (count.isAllowed) return undefined
    reply.headers({ 'ratelimit-limit': count.max, 'ratelimit-remaining': count.remaining, 'ratelimit-reset': count.ttlInSeconds })
    return count.isExceeded ? failure('TOO_MANY_REQUESTS', { retryAfterSeconds: count.ttlInSeconds }) : undefined
  }

  async function countOrRefuse (count: typeof countLogin, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const refusal = refusalOf(await count(request), reply)
    if (refusal) throw refusal
  }

  async function refused (request: FastifyRequest, reply: FastifyReply, error: Ex10Error): Promise<Ex10Error> {
    return refusalOf(await countFailure(request), reply) ?? error
  }
}

export default fp(rateLimits, { name: 'rate-limits', dependencies: ['config'] })
