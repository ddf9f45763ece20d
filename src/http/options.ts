import type { FastifyBaseLogger, FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify'
import type { Server } from 'node:http'
import type { Config } from '#config.ts'
import { publicAddressOf, withoutPrefix } from '#domain/http/public-address.ts'
import { answerHeaders } from './answer-headers.ts'
import { notFoundReply, refuseMalformed } from './malformed.ts'
import { buildValidator } from './validator.ts'

/** Options of the HTTP server: time limits, refusals before a route is reached, and the validation of input. */
export function httpOptions (settings: Config, loggerInstance: FastifyBaseLogger) {
  const { prefix } = publicAddressOf(settings.publicUrl)
  return {
    rewriteUrl: request => withoutPrefix(request.url ?? '', prefix),
    loggerInstance: loggerInstance.child({}, { serializers: { req: asLogged } }),
    trustProxy: settings.trustProxy.length > 0 ? settings.trustProxy : false,
    forceCloseConnections: true,
    return503OnClosing: false, // plugins/http/connections.ts answers with the 503, in the one form of errors
    requestTimeout: 120_000, // a push of 20 MiB takes long on a slow line
    connectionTimeout: 120_000, // without any byte in either direction: the client does not read the answer
    routerOptions: { maxParamLength: 800 }, // a user's name, each character of which may be escaped
    pluginTimeout: 0, // no limit: the start undoes all that an earlier server left, however much that is
    http: {
      headersTimeout: 10_000,
      connectionsCheckingInterval: 2000, // how often time limits are checked
      joinDuplicateHeaders: true, // two headers of Host, Origin, Content-Type… become one invalid value
      requireHostHeader: false, // a missing Host is refused like an unknown one, by our own hook
      // upgrade WebSockets only, which begin with a GET; any other request gets a normal HTTP/1.1 answer
      shouldUpgradeCallback: request => request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
    },
    ajv: { customOptions: { removeAdditional: false } },
    schemaController: { compilersFactory: { buildValidator } },
    clientErrorHandler: refuseMalformed,
    // a URL that cannot be decoded, an id that is too long: answer as for any unknown URL
    frameworkErrors: (_error, request, reply) => (reply as FastifyReply).code(404).headers(answerHeaders(request.id)).send(notFoundReply(request.url))
  } satisfies FastifyHttpOptions<Server>
}

/** A request in the log, without the secrets in the URLs of links and of display pages, and without the names that people give to values of the state. */
function asLogged ({ method, url, host, ip, socket }: FastifyRequest) {
  return { method, url: url.replace(/(\/share\/|[?&]t(?:oken|icket)=|^\/sessions\/[^/]+\/state\/[^/]+\/).*/s, '$1…'), host, remoteAddress: ip, remotePort: socket?.remotePort }
}
