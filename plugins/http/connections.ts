import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { failure } from '#errors.ts'
import { upTo } from '#system/kernel/rlimits.ts'

declare module 'fastify' {
  interface FastifyInstance {
    connections: {
      /** The most WebSockets at a time, so that connections are left for requests. */
      maxSockets: number
      /** Whether the server has begun to close: it takes no request and no WebSocket then. */
      isClosing (): boolean
    }
  }
}

const MOST = 4096
/** Open files reckoned for each connection: a viewer takes two, and the rest is for the sessions. */
const FILES_EACH = 4

/** Limits the server's connections: a connection above the limit is closed at once. */
async function connections (app: FastifyInstance): Promise<void> {
  const most = Math.floor(await upTo(MOST * FILES_EACH, 'Max open files') / FILES_EACH)
  app.server.maxConnections = most
  // idle connections are closed to make room; the time limits close those with an unfinished request
  app.server.on('drop', () => app.server.closeIdleConnections())
  // sessions end while the server still listens: meanwhile it answers, and does nothing more
  let isClosing = false
  app.addHook('preClose', async () => { isClosing = true })
  app.addHook('onRequest', async () => { if (isClosing) throw failure('SHUTTING_DOWN') })
  app.decorate('connections', { maxSockets: Math.floor(most / 2), isClosing: () => isClosing })
}

export default fp(connections, { name: 'connections' })
