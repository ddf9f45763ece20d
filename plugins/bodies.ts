import { finished } from 'node:stream/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { failure } from '../src/errors.ts'

const DRAINED_BYTES = 100 * 1024 * 1024

/** How the bodies of requests are read. */
async function bodies (app: FastifyInstance): Promise<void> {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain']) // bodies are JSON
  // an empty body is no body, also when it is announced as JSON: front ends send that header with every request
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, String(body), done)
  })

  // too long, but read to its end: a client that still writes would see a broken connection, and no answer
  app.addHook('onRequest', async request => {
    const length = Number(request.headers['content-length'])
    if (!(length > request.routeOptions.bodyLimit && length < DRAINED_BYTES)) return
    await finished(request.raw.resume()).catch(cause => { throw failure('CLIENT_GONE', { cause }) })
    throw failure('TOO_LARGE')
  })
}

export default fp(bodies, { name: 'bodies' })
