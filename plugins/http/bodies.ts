import { finished } from 'node:stream/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Budget } from '#domain/http/budget.ts'
import { mediaType } from '#domain/code/media-type.ts'
import { failure } from '#errors.ts'

const MIB = 1024 * 1024
const DRAINED_BYTES = 100 * MIB
/** What is announced at a time: each body is kept in memory until it is answered, and taken apart there. */
const [ALL_BYTES, EACH_BYTES, SMALL_BYTES] = [512 * MIB, 256 * MIB, MIB / 16]
/** What a body counts as that does not say how long it is. */
const UNSAID_BYTES = 4 * MIB

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route takes its body as it comes, and keeps none of it in memory: each body, or one of these types. */
    streamsBody?: true | readonly string[]
  }
}

/** How the bodies of requests are read. */
async function bodies (app: FastifyInstance): Promise<void> {
  const budget = new Budget(ALL_BYTES, EACH_BYTES)
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain']) // bodies are JSON
  // an empty body is no body, also when it is announced as JSON: front ends send that header with every request
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, String(body), done)
  })

  // too long, but read to its end: a client that still writes would see a broken connection, and no answer
  app.addHook('onRequest', async request => {
    if (isStreamed(request)) return
    const length = Number(request.headers['content-length'])
    if (!(length > request.routeOptions.bodyLimit && length < DRAINED_BYTES)) return
    await finished(request.raw.resume()).catch(cause => { throw failure('CLIENT_GONE', { cause }) })
    throw failure('TOO_LARGE')
  })

  // who asks is known by now, and may send this
  app.addHook('preParsing', async (request, reply) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    const { bodyLimit } = request.routeOptions
    if (isStreamed(request)) return
    const bytes = Math.min(Number(length ?? (encoding === undefined ? 0 : UNSAID_BYTES)), bodyLimit)
    if (bytes < SMALL_BYTES) return
    const giveBack = budget.take(request.principal?.user ?? request.ip, bytes)
    if (!giveBack) throw failure('OVERLOADED', { message: 'The server reads as much as it can: try again in a second', retryAfterSeconds: 1 })
    finished(reply.raw).then(giveBack, giveBack)
  })
}

function isStreamed ({ routeOptions, headers }: FastifyRequest): boolean {
  const { streamsBody = [] } = routeOptions.config
  return streamsBody === true || streamsBody.includes(mediaType(headers['content-type']))
}

export default fp(bodies, { name: 'bodies' })
