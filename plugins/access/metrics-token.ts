import { createHash, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { bearerToken } from '#domain/access/token.ts'
import { StartRefused } from '#errors.ts'
import { readSecret } from '#system/access/secret-file.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The token of the program that reads the metrics. It opens no other route. */
    metricsToken: {
      /** Whether the `Authorization` header shows the token. */
      isIn (authorization: string | undefined): boolean
    }
  }
  interface FastifyContextConfig {
    /** The token of EX10_METRICS_TOKEN_FILE opens the route, too. */
    takesMetricsToken?: boolean
  }
}

/** A shorter token could be guessed. */
const LEAST_LENGTH = 16

async function metricsToken (app: FastifyInstance): Promise<void> {
  const { metricsTokenFile: file } = app.config
  const token = file && readSecret('EX10_METRICS_TOKEN_FILE', file, 'put a new token into it')
  if (file && (token.length < LEAST_LENGTH || /\s/.test(token))) {
    throw new StartRefused(`EX10_METRICS_TOKEN_FILE=${file} cannot be used: a token has at least ${LEAST_LENGTH} characters and no space; make one with "openssl rand -hex 32"`)
  }
  const wanted = hash(token)

  app.decorate('metricsToken', {
    isIn (authorization) {
      const shown = bearerToken(authorization)
      return token !== '' && shown !== undefined && timingSafeEqual(hash(shown), wanted)
    }
  } satisfies FastifyInstance['metricsToken'])
}

/** Hashes have one length, which `timingSafeEqual` needs. */
function hash (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export default fp(metricsToken, { name: 'metrics-token', dependencies: ['config'] })
