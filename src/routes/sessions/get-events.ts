import { addAbortListener } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { SessionEvent } from '#domain/live/event.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { EventsQuery } from '#schemas/event.ts'

/** Beyond this, a reader does not keep up: it is let go, and may come again. */
const UNREAD_BYTES = 256 * 1024
const HEARTBEAT_MS = 15_000

/** GET /sessions/:id/events: what has happened to a session, and then what happens, one JSON object a line. */
const getEvents: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/events', {
    exposeHeadRoute: false, // a stream that nobody reads
    schema: {
      operationId: 'getEvents',
      summary: 'Streams what has happened to a session, and what happens to it until it ends',
      tags: ['sessions'],
      params: SessionParams,
      querystring: EventsQuery,
      response: {
        200: { description: 'One SessionEvent as JSON a line', content: { 'application/x-ndjson': { schema: Type.Ref('SessionEvent') } } },
        ...errors(400, 401, 403, 404, 409, 421, 429)
      }
    }
  }, async (request, reply) => {
    const { id } = app.rights.session(request.principal, request.params.id)
    const lines = new PassThrough()
    for (const event of app.events.past(id)) lines.write(toLine(event))
    if (request.query.follow === false) lines.end()
    else follow(id, lines, request)
    return reply.header('cache-control', 'no-store').type('application/x-ndjson').send(lines)
  })

  function follow (id: string, lines: PassThrough, { principal: { user }, ip: address, credential, gone }: FastifyRequest): void {
    const hear = (event: SessionEvent) => {
      if (lines.writableEnded) return
      if (lines.writableLength + lines.readableLength > UNREAD_BYTES) lines.destroy()
      else lines.write(toLine(event))
      if (event.type === 'ended') return lines.end()
      heartbeat.refresh()
    }
    const stop = app.events.follow(id, hear)
    const close = app.channels.open(id, { type: 'events', user, address }, credential, () => lines.end())
    const heartbeat = setTimeout(() => hear({ type: 'heartbeat', at: new Date().toISOString(), message: 'Nothing happened' }), HEARTBEAT_MS)
    addAbortListener(gone, () => {
      stop()
      close()
      clearTimeout(heartbeat)
    })
  }
}

/** As clients see it: without where it came from. */
function toLine ({ line, ...event }: SessionEvent): string {
  return JSON.stringify(event) + '\n'
}

export default getEvents
