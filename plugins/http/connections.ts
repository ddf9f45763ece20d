import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { failure } from '#errors.ts'
import { upTo } from '#system/kernel/rlimits.ts'

declare module 'fastify' {
  interface FastifyInstance {
    connections: {
      /** How many connections may be WebSockets, so that the others are left for requests. */
      maxSockets: number
    }
  }
}

const MOST = 4096
/** A viewer takes two open files, and sessions take some each: the rest is theirs. */
const FILES_EACH = 4

/** How many connections the server has at a time: what comes beyond is closed at once. */
async function connections (app: FastifyInstance): Promise<void> {
  const most = Math.floor(await upTo(MOST * FILES_EACH, 'Max open files') / FILES_EACH)
  app.server.maxConnections = most
  // who is between two requests makes room; who has not sent one whole is closed by the time limits
  app.server.on('drop', () => app.server.closeIdleConnections())
  // sessions end while the server still listens: meanwhile it answers, and does nothing more
  let isClosing = false
  app.addHook('preClose', async () => { isClosing = true })
  app.addHook('onRequest', async () => { if (isClosing) throw failure('SHUTTING_DOWN') })
  app.decorate('connections', { maxSockets: Math.floor(most / 2) })
}

export default fp(connections, { name: 'connections' })
