import { finished } from 'node:stream/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Budget } from '#domain/http/budget.ts'
import { mediaType } from '#domain/code/media-type.ts'
import { failure, type ErrorName } from '#errors.ts'

const MIB = 1024 * 1024
const DRAINED_BYTES = 100 * MIB
/** Limits of the announced bytes at a time: of all bodies, of one principal's or address's, of a small body. Each body is kept and parsed in memory until its answer. */
const [ALL_BYTES, EACH_BYTES, SMALL_BYTES] = [512 * MIB, 256 * MIB, MIB / 16]
/** The size that a body without a content-length is counted as. */
const UNSAID_BYTES = 4 * MIB

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route streams its body and keeps none of it in memory: every body, or bodies of these types. */
    streamsBody?: true | readonly string[]
    /** The error of a body that is longer than the route's limit. */
    tooLarge?: ErrorName
  }
}

/** Reads the bodies of requests, and limits their size and the memory that they take. */
async function bodies (app: FastifyInstance): Promise<void> {
  const budget = new Budget(ALL_BYTES, EACH_BYTES)
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain']) // bodies are JSON
  // an empty body counts as none, even with a JSON content-type: front ends send that header with every request
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, String(body), done)
  })

  // a body that is too long is still read to its end: a client that is still writing would otherwise see a broken connection instead of the answer
  app.addHook('onRequest', async request => {
    if (isStreamed(request)) return
    const length = Number(request.headers['content-length'])
    if (!(length > request.routeOptions.bodyLimit && length < DRAINED_BYTES)) return
    await finished(request.raw.resume()).catch(cause => { throw failure('CLIENT_GONE', { cause }) })
    throw failure(request.routeOptions.config.tooLarge ?? 'TOO_LARGE')
  })

  // by now the principal is known and may send this body
  app.addHook('preParsing', async (request, reply) => {
    const { 'content-length': length, 'transfer-encoding': encoding, 'content-encoding': coding = 'identity' } = request.headers
    if (coding !== 'identity' && (encoding !== undefined || Number(length) > 0)) {
      reply.header('accept-encoding', 'identity')
      throw failure('UNSUPPORTED_ENCODING')
    }
    const { bodyLimit } = request.routeOptions
    if (isStreamed(request)) return
    const bytes = Math.min(Number(length ?? (encoding === undefined ? 0 : UNSAID_BYTES)), bodyLimit)
    if (bytes < SMALL_BYTES) return
    const giveBack = budget.take(request.principal?.user ?? request.ip, bytes)
    if (!giveBack) throw failure('OVERLOADED', { message: 'The server reads as much as it can: try again in a second', retryAfterSeconds: 1 })
    reply.raw.once('close', giveBack)
  })
}

function isStreamed ({ routeOptions, headers }: FastifyRequest): boolean {
  const { streamsBody = [] } = routeOptions.config
  return streamsBody === true || streamsBody.includes(mediaType(headers['content-type']))
}

export default fp(bodies, { name: 'bodies' })
