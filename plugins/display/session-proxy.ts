import httpProxy from '@fastify/http-proxy'
import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { failure } from '#errors.ts'
import { ErrorReply, errors, SessionId, SessionParams } from '#schemas/common.ts'
import { Binary } from '#schemas/file.ts'

const REQUEST_HEADERS = ['accept', 'accept-language', 'range', 'if-none-match', 'if-modified-since']
const RESPONSE_HEADERS = ['content-type', 'content-length', 'content-encoding', 'content-range', 'accept-ranges', 'etag', 'last-modified', 'date']
/** A session's process may answer anything: these headers give the answer no rights in the reader's browser. */
const REPLY_HEADERS = {
  'content-security-policy': "default-src 'none'; sandbox",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin'
}

const ANY = { '*/*': { schema: Binary } }
const REFUSAL_OR_ANY = { 'application/json': { schema: ErrorReply }, ...ANY }

/** The schemas of the proxy's routes for the OpenAPI document, by route URL. */
const SCHEMAS: Record<string, FastifySchema> = {
  '/session/:id': {
    operationId: 'openDisplay',
    summary: 'Redirects to the page that shows the session\'s browser',
    description: 'For browsers.',
    tags: ['sessions'],
    params: SessionParams,
    response: { 302: Type.Null({ description: 'To /session/{id}/index.html' }), ...errors(401, 403, 404, 409, 421) }
  },
  '/session/:id/*': {
    operationId: 'askDisplay',
    summary: 'The answer of the session\'s own Xpra, with few of its headers',
    description: 'Every path below `/session/{id}/` that is no route of its own. The answer is the session\'s, so the server gives it no rights in a browser.',
    tags: ['sessions'],
    params: Type.Object({ id: SessionId, '*': Type.String({ description: 'The path of the request to Xpra' }) }),
    response: {
      200: { description: 'The answer of the session\'s process', content: ANY },
      404: { description: 'No such session, or the session\'s process has nothing there', content: REFUSAL_OR_ANY },
      default: { description: 'A refusal, or another answer of the session\'s process', content: REFUSAL_OR_ANY },
      ...errors(401, 403, 409, 421, 502)
    }
  }
}

/** Passes HTTP requests below /session/:id/, except those for the display page's files, to the session's Xpra. */
async function sessionProxy (app: FastifyInstance): Promise<void> {
  // the library takes no schemas for its routes
  await app.register(async proxy => {
    proxy.addHook('onRoute', route => { route.schema = SCHEMAS[route.url] ?? { hide: true } })
    await proxy.register(httpProxy, {
      prefix: '/session/:id',
      rewritePrefix: '/',
      upstream: '',
      httpMethods: ['GET'],
      proxyPayloads: false, // a GET has none
      config: { scope: 'view', session: 'ready' },
      preHandler: async (request: FastifyRequest, reply: FastifyReply) => {
        if (!(request.params as { '*'?: string })['*']) return reply.redirect(app.publicAddress.path(`/session/${request.session.id}/index.html`))
      },
      replyOptions: {
        getUpstream: request => `http://127.0.0.1:${app.sessions.ready((request.params as SessionParams).id).slot.displayPort}`,
        rewriteRequestHeaders: (_request, headers) => pick(headers, REQUEST_HEADERS),
        rewriteHeaders: headers => ({ ...pick(headers, RESPONSE_HEADERS), ...REPLY_HEADERS }),
        // sent, not thrown: the proxy calls this from its own callbacks, where a throw would not be caught
        onError: (reply, { error }) => { (reply as FastifyReply).send(failure('BAD_GATEWAY', { cause: error })) },
        retryDelay: () => null // no retries: the session must not decide how long its reader waits
      },
      undici: { headersTimeout: 10_000, bodyTimeout: 10_000 }
    })
  })
}

function pick<T> (headers: Record<string, T>, names: string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)))
}

export default fp(sessionProxy, { name: 'session-proxy', dependencies: ['identity', 'public-address', 'rights', 'sessions'] })
