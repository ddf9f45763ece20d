import rateLimit, { type RateLimitOptions } from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { failure, type Ex10Error } from '../src/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** How often something may be tried. */
    rateLimits: {
      /** For the `config` of a route that makes sessions: so many a minute for each user at each address. */
      creation: { rateLimit: RateLimitOptions | false }
      /** For the `config` of the route by which people come back from the provider: each time, that is asked. */
      callback: { rateLimit: RateLimitOptions }
      /** Counts a key or token that was shown and is not good, by address; returns what its caller is to hear: EX10_UNKNOWN_KEY, or EX10_TOO_MANY_REQUESTS. */
      unknownKey (request: FastifyRequest): Promise<Ex10Error>
      /** The same of any other credential that is not good; `error` is what its caller is to hear. */
      refused (request: FastifyRequest, error: Ex10Error): Promise<Ex10Error>
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
  const failures: RateLimitOptions = { max: failureRate, timeWindow: MINUTE_MS, keyGenerator: ({ ip }) => ip }
  const countFailure = app.createRateLimit(failures)

  async function refused (request: FastifyRequest, error: Ex10Error): Promise<Ex10Error> {
    const count = await countFailure(request)
    if (count.isAllowed || !count.isExceeded) return error
    return failure('TOO_MANY_REQUESTS', { retryAfterSeconds: count.ttlInSeconds })
  }

  app.decorate('rateLimits', {
    creation: { rateLimit: createRate > 0 && { max: createRate, timeWindow: MINUTE_MS, keyGenerator: ({ principal, ip }) => `${principal.user} ${ip}` } },
    callback: { rateLimit: failures },
    unknownKey: request => refused(request, failure('UNKNOWN_KEY')),
    refused
  } satisfies FastifyInstance['rateLimits'])
}

export default fp(rateLimits, { name: 'rate-limits', dependencies: ['config'] })
