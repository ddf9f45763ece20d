import type { FastifyBaseLogger, FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify'
import type { Server } from 'node:http'
import type { Config } from '#config.ts'
import { notFoundReply, refuseMalformed } from './malformed.ts'
import { buildValidator } from './validator.ts'

/** How HTTP is spoken: time limits, what is refused before a route sees it, and how input is checked. */
export function httpOptions (settings: Config, loggerInstance: FastifyBaseLogger) {
  return {
    loggerInstance: loggerInstance.child({}, { serializers: { req: asLogged } }),
    trustProxy: settings.trustProxy.length > 0 ? settings.trustProxy : false,
    forceCloseConnections: true,
    requestTimeout: 120_000, // a push of 20 MiB takes its time on a slow line
    connectionTimeout: 120_000, // nothing comes and nothing goes: nobody reads the answer
    routerOptions: { maxParamLength: 800 }, // a user's name, of which each character may be escaped
    pluginTimeout: 0, // the start undoes whatever an earlier server left, however much that is
    http: {
      headersTimeout: 10_000,
      connectionsCheckingInterval: 2000, // how often time limits are looked after
      joinDuplicateHeaders: true, // two of Host, Origin, Content-Type… are no good one
      requireHostHeader: false, // refused like an unknown one, in the one form
      // upgrade WebSockets only; a request that offers h2c gets a normal HTTP/1.1 answer
      shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket'
    },
    ajv: { customOptions: { removeAdditional: false } },
    schemaController: { compilersFactory: { buildValidator } },
    clientErrorHandler: refuseMalformed,
    // a URL that cannot be decoded, an id that is too long: like any other that names nothing
    frameworkErrors: (_error, request, reply) => (reply as FastifyReply).code(404).send(notFoundReply(request.url))
  } satisfies FastifyHttpOptions<Server>
}

/** A request as the log has it: a link to a session holds a secret, and so does a display page; they are left out. */
function asLogged ({ method, url, host, ip, socket }: FastifyRequest) {
  return { method, url: url.replace(/(\/share\/|[?&]t(?:oken|icket)=).*/s, '$1…'), host, remoteAddress: ip, remotePort: socket?.remotePort }
}
