import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** What a loaded display page shows instead of a cookie, which its opaque origin has none of: good as long as this server runs. */
    pageTokens: {
      issue (sessionId: string): string
      isGood (token: string, sessionId: string): boolean
    }
  }
}

async function pageTokens (app: FastifyInstance): Promise<void> {
  const key = randomBytes(32)
  const macOf = (sessionId: string) => createHmac('sha256', key).update(sessionId).digest()

  app.decorate('pageTokens', {
    issue: sessionId => macOf(sessionId).toString('base64url'),
    isGood (token, sessionId) {
      const mac = Buffer.from(token, 'base64url')
      const wanted = macOf(sessionId)
      return mac.length === wanted.length && timingSafeEqual(mac, wanted)
    }
  } satisfies FastifyInstance['pageTokens'])
}

export default fp(pageTokens, { name: 'page-tokens' })
