import type { IncomingMessage } from 'node:http'
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isChange, isKnownHost, mayChange } from '#domain/http/origins.ts'
import { publicAddressOf } from '#domain/http/public-address.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    origins: {
      /** Refuses a foreign host name and a proxy's absolute URL. Upgrades call it, because no hook runs for them. @throws {Ex10Error} EX10_UNKNOWN_HOST */
      checkHost (request: IncomingMessage): void
      /** Refuses a change that a page of another site asks for. @throws {Ex10Error} EX10_ORIGIN_REFUSED */
      checkChange (headers: FastifyRequest['headers']): void
      /** Whether the request changes something. */
      isChange (request: FastifyRequest): boolean
    }
  }
  interface FastifyContextConfig {
    /** The route changes something although its method is a safe one. */
    changesState?: boolean
    /** The display page calls the route from its opaque origin, with a token that only a loaded page has. */
    hasPageToken?: boolean
  }
}

/** Decides which pages may call the server, and under which host names. */
async function origins (app: FastifyInstance): Promise<void> {
  const rules = { origins: app.config.origins, address: publicAddressOf(app.config.publicUrl) }

  app.addHook('onRequest', async request => {
    checkHost(request.raw)
    const isPage = request.routeOptions.config.hasPageToken && request.headers.origin === 'null'
    if (app.origins.isChange(request) && !isPage) checkChange(request.headers)
    if (request.routeOptions.config.changesState && isPrefetch(request)) throw failure('PREFETCH_REFUSED')
  })
  await app.register(cors, { origin: rules.origins, strictPreflight: false, methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], exposedHeaders: ['Allow', 'ETag', 'Location', 'X-Request-Id', 'Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'] })

  app.decorate('origins', { checkHost, checkChange, isChange: ({ method, routeOptions }) => isChange(method, routeOptions.config) } satisfies FastifyInstance['origins'])

  function checkHost ({ url, headers }: IncomingMessage): void {
    if (!url?.startsWith('/') || !isKnownHost(headers.host, rules)) throw failure('UNKNOWN_HOST')
  }

  function checkChange (headers: FastifyRequest['headers']): void {
    const caller = { host: headers.host, origin: headers.origin, secFetchSite: headers['sec-fetch-site']?.toString() }
    if (!mayChange(caller, rules)) throw failure('ORIGIN_REFUSED')
  }
}

function isPrefetch ({ headers }: FastifyRequest): boolean {
  return [headers['sec-purpose'], headers.purpose, headers['x-moz']].some(value => value?.toString().startsWith('prefetch'))
}

export default fp(origins, { name: 'origins', dependencies: ['config'] })
