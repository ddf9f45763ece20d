import { finished } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
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
  let isClosing = false
  let requests = 0

  app.decorate('connections', { maxSockets: Math.floor(most / 2), isClosing: () => isClosing })
  // sessions end while the server still listens: meanwhile it answers, and does nothing more
  app.addHook('preClose', async () => {
    isClosing = true
    app.server.closeIdleConnections()
    if (app.server.listening) app.log.info({ requests, connections: await open() }, 'server closes') // not where the start fails: that says why in one line
  })
  app.addHook('onRequest', async (_request, reply) => {
    requests++
    finished(reply.raw, () => { requests-- })
    if (isClosing) throw failure('SHUTTING_DOWN')
  })

  /** The number of open connections, when those that have just been closed are gone. */
  async function open (): Promise<number> {
    await setImmediate()
    return promisify(app.server.getConnections.bind(app.server))()
  }
}

export default fp(connections, { name: 'connections' })
