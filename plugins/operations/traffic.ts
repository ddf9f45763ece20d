import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Counter, Histogram } from 'prom-client'

declare module 'fastify' {
  interface FastifyInstance {
    /** Counts requests and the bytes of uploads, for the metrics. */
    traffic: {
      /** Notes bytes of a body that its route reads as a stream. */
      uploaded (bytes: number): void
    }
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

async function traffic (app: FastifyInstance): Promise<void> {
  const registers = [app.metrics.registry]
  const requests = new Histogram({
    name: 'ex10_http_request_duration_seconds',
    help: 'Time from a request until its answer began, by route, method and class of the status. `none`: no route of that name, or the client had gone before an answer',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers
  })
  const uploads = new Counter({ name: 'ex10_upload_bytes_total', help: 'Bytes of files and archives that clients sent', registers })
  const answeredAfter = new WeakMap<FastifyRequest, number>() // ms; a stream goes on long after its answer began
  const countConnections = promisify(app.server.getConnections.bind(app.server))

  app.decorate('traffic', { uploaded: bytes => uploads.inc(bytes) } satisfies FastifyInstance['traffic'])
  app.metrics.own({ name: 'ex10_http_connections', help: 'Open connections to the server, WebSockets included', type: 'gauge', read: () => countConnections() })

  app.addHook('onSend', async (request, reply) => {
    if (!answeredAfter.has(request)) answeredAfter.set(request, reply.elapsedTime)
  })
  app.addHook('onResponse', async (request, reply) => {
    if (request.ws) return
    const method = METHODS.includes(request.method) ? request.method : 'other'
    const status = reply.raw.headersSent ? `${Math.floor(reply.statusCode / 100)}xx` : 'none'
    requests.observe({ route: routeOf(request), method, status }, (answeredAfter.get(request) ?? reply.elapsedTime) / 1000)
    uploads.inc(parsedBytes(request))
  })
}

/** The route's pattern, never the request's own path. */
function routeOf ({ is404, routeOptions }: FastifyRequest): string {
  return is404 ? 'none' : routeOptions.url ?? 'none'
}

/** The size of a request with files that was read as a whole; 0 for other requests. */
function parsedBytes ({ routeOptions, body, headers }: FastifyRequest): number {
  const { scope } = routeOptions.config
  const isUpload = (scope === 'push' || scope === 'create') && body !== undefined && !(body instanceof Readable)
  return isUpload ? Number(headers['content-length'] ?? 0) : 0
}

export default fp(traffic, { name: 'traffic', dependencies: ['metrics'] })
