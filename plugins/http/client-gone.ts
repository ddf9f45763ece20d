import type { ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts with EX10_CLIENT_GONE when the client has closed the connection, and also after the answer has been sent. */
    readonly gone: AbortSignal
  }
}

/** `request.gone`: a signal that ends work for a client that has closed its connection. */
async function clientGone (app: FastifyInstance): Promise<void> {
  const answers = new WeakMap<FastifyRequest, ServerResponse>()
  const signals = new WeakMap<FastifyRequest, AbortSignal>()

  app.addHook('onRequest', (request, reply, done) => {
    answers.set(request, reply.raw)
    done()
  })
  app.decorateRequest('gone', {
    getter () {
      const signal = signals.get(this) ?? goneSignal(answers.get(this)!)
      signals.set(this, signal)
      return signal
    }
  })
}

/** Fastify's `request.signal` misses a client that closed its connection before the signal was first read. */
function goneSignal (answer: ServerResponse): AbortSignal {
  const gone = new AbortController()
  finished(answer, () => gone.abort(failure('CLIENT_GONE')))
  return gone.signal
}

export default fp(clientGone, { name: 'client-gone' })
