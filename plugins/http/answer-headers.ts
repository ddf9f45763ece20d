import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { answerHeaders } from '#http/answer-headers.ts'
import { requestIds } from '#http/request-ids.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The id of a request, as in `request.id`, for upgrades, which have no Fastify request. */
    requestIdOf (request: IncomingMessage): string
  }
}

/** A year, the usual time. Other names below the domain may have no https, so they are not included. */
const HSTS = 'max-age=31536000'

/** Sets the headers that every answer has. A route that needs other values sets its own. */
async function answerHeadersPlugin (app: FastifyInstance): Promise<void> {
  const isPublicByHttps = app.config.publicUrl.startsWith('https:')
  const requestIdOf = requestIds(app.config.trustProxy)

  app.setGenReqId(requestIdOf)
  app.decorate('requestIdOf', requestIdOf)
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(answerHeaders(request.id))
    // never over plain http: RFC 6797, 7.2. A trusted proxy says that the request came by https
    if (isPublicByHttps && request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isStream(payload)) reply.header('x-accel-buffering', 'no') // nginx would keep its pieces back
    done(null, payload)
  })
}

function isStream (payload: unknown): boolean {
  return typeof (payload as { pipe?: unknown } | null)?.pipe === 'function'
}

export default fp(answerHeadersPlugin, { name: 'answer-headers', dependencies: ['config'] })
