import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** What a loaded display page shows instead of a cookie, which its opaque origin has none of: good as long as this server runs. */
    pageTokens: {
      /** By a link, it is good as long as that is in force, too. */
      issue (sessionId: string, shareId?: string): string
      isGood (token: string, sessionId: string): boolean
    }
  }
}

const MAC_LENGTH = 43 // of 32 bytes, as base64url

async function pageTokens (app: FastifyInstance): Promise<void> {
  const key = randomBytes(32)
  const macOf = (sessionId: string, shareId: string) => createHmac('sha256', key).update(`${sessionId} ${shareId}`).digest()

  app.decorate('pageTokens', {
    issue: (sessionId, shareId = '') => macOf(sessionId, shareId).toString('base64url') + shareId,
    isGood (token, sessionId) {
      const mac = Buffer.from(token.slice(0, MAC_LENGTH), 'base64url')
      const shareId = token.slice(MAC_LENGTH)
      const wanted = macOf(sessionId, shareId)
      if (mac.length !== wanted.length || !timingSafeEqual(mac, wanted)) return false
      return shareId === '' || app.shares.isInForce(shareId, sessionId)
    }
  } satisfies FastifyInstance['pageTokens'])
}

export default fp(pageTokens, { name: 'page-tokens', dependencies: ['shares'] })
