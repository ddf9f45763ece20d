import { once } from 'node:events'
import { createServer } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { shownAs, StartRefused, toReply } from '#errors.ts'

/** Answers GET /metrics on a port of 127.0.0.1, without a credential. Sessions cannot reach it: the firewall keeps them from this machine. */
async function metricsPort (app: FastifyInstance): Promise<void> {
  const { metricsPort: port } = app.config
  if (port === 0) return

  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, async (request, response) => {
    try {
      app.origins.checkHost(request)
      if (request.method !== 'GET' || request.url !== '/metrics') return response.writeHead(404, { connection: 'close' }).end()
      const { contentType, text } = await app.metrics.read()
      response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(text)
    } catch (err) {
      const error = shownAs(err, 'INTERNAL')
      if (error.statusCode >= 500) app.log.error({ err }, 'metrics not read')
      response.writeHead(error.statusCode, { 'content-type': 'application/json' }).end(JSON.stringify(toReply(error)))
    }
  })
  server.maxConnections = 64

  app.addHook('onReady', async () => {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening').catch(cause => {
      throw new StartRefused(`EX10_METRICS_PORT=${port} cannot be used: ${cause.code === 'EADDRINUSE' ? 'another program listens there; end that program, or give another port' : cause.message}`, { cause })
    })
    server.unref()
  })
  app.addHook('onClose', async () => {
    server.closeAllConnections()
    server.close()
  })
}

export default fp(metricsPort, { name: 'metrics-port', dependencies: ['config', 'metrics', 'origins'] })
