import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isPrivate } from '#domain/http/transport.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    transport: {
      /** Refuses a key or token that others on the network could read, unless EX10_ALLOW_INSECURE=1. @throws {Ex10Error} EX10_KEY_IN_PLAIN_TEXT */
      checkKey (request: FastifyRequest): void
    }
  }
}

async function transport (app: FastifyInstance): Promise<void> {
  const { allowInsecure } = app.config

  app.decorate('transport', {
    checkKey (request) {
      if (!allowInsecure && !isPrivate(request)) throw failure('KEY_IN_PLAIN_TEXT')
    }
  } satisfies FastifyInstance['transport'])
}

export default fp(transport, { name: 'transport', dependencies: ['config'] })
