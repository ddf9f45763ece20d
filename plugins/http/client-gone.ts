import type { ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts with EX10_CLIENT_GONE when the client has closed the connection; also when the client has been answered. */
    readonly gone: AbortSignal
  }
}

/** A client that goes away, for work that nobody else wants. */
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

/** Fastify's `request.signal` does not know of a client that had gone before it was asked. */
function goneSignal (answer: ServerResponse): AbortSignal {
  const gone = new AbortController()
  finished(answer, () => gone.abort(failure('CLIENT_GONE')))
  return gone.signal
}

export default fp(clientGone, { name: 'client-gone' })
