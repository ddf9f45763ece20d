import { addAbortListener } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, linesOf, SessionParams } from '#schemas/common.ts'
import { EventsQuery, SessionEvent } from '#schemas/event.ts'
import { feedEvents } from './event-feed.ts'

/** Close codes of a WebSocket: the reader's credential has ended; the client sends instead of reading. */
const [LOGGED_OUT, NO_READER] = [4403, 1008]

/** GET /sessions/:id/events: a session's past events and then its new ones, each one JSON object: a line, or a message of a WebSocket. */
const getEvents: FastifyPluginAsyncTypebox = async app => {
  app.route({
    method: 'GET',
    url: '/sessions/:id/events',
    exposeHeadRoute: false, // a HEAD would open a stream without a reader
    config: { scope: 'view', session: 'known' },
    schema: {
      operationId: 'getEvents',
      summary: 'Streams a session\'s past events, and new ones until it ends',
      description: 'As lines of JSON, or by a WebSocket to the same address, with one event in each text message. The WebSocket is closed with 1000 after the last event.',
      tags: ['sessions'],
      params: SessionParams,
      querystring: EventsQuery,
      response: {
        200: { description: 'One SessionEvent as JSON a line', content: linesOf(SessionEvent) },
        ...errors(400, 409, 429)
      }
    },
    async preHandler ({ ws, session, query }) {
      if (ws && query.follow !== false) app.events.follow(session.id, () => {})() // throws refusals before the handshake
    },
    wsHandler (socket, request) {
      const stop = feedEvents(app, request.session.id, request, {
        send: event => socket.send(event),
        unread: () => socket.bufferedAmount,
        end: isLoggedOut => isLoggedOut ? socket.close(LOGGED_OUT, 'you have been logged out') : socket.close(1000),
        drop: () => socket.terminate()
      }, request.query.follow !== false)
      socket.once('message', () => socket.close(NO_READER, 'this socket only sends'))
      socket.once('close', stop)
    },
    async handler (request, reply) {
      const lines = new PassThrough()
      const stop = feedEvents(app, request.session.id, request, {
        send: event => lines.write(event + '\n'),
        unread: () => lines.writableLength + lines.readableLength,
        end: () => lines.end(),
        drop: () => lines.destroy()
      }, request.query.follow !== false)
      addAbortListener(request.gone, stop) // not before the last line has been sent
      return reply.type('application/x-ndjson').send(lines)
    }
  })
}

export default getEvents
