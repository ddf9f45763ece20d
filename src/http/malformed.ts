import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { failure, toReply, type ErrorName } from '#errors.ts'
import type { ErrorReply } from '#schemas/common.ts'
import { refuseSocket } from './refuse-socket.ts'

/** The 404 for a URL that names nothing. Below /session and /sessions it has the session routes' code. */
export function notFoundReply (url: string): ErrorReply {
  return toReply(failure(/^\/sessions?\//.test(url) ? 'SESSION_NOT_FOUND' : 'NOT_FOUND'))
}

/**
 * Answers a request that is not HTTP, has too large a head, or arrives too slowly, and closes the connection. It writes
 * nothing while the answer to an earlier request is under way: the client would take it for that answer, or for a part of it.
 */
export function refuseMalformed (this: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket & { _httpMessage?: ServerResponse<IncomingMessage> | null }): void {
  const underWay = socket._httpMessage
  const isOfEarlier = underWay && (underWay.headersSent || underWay.req.complete)
  if (error.code === 'ECONNRESET' || !socket.writable || isOfEarlier) {
    socket.destroy()
    return
  }
  const requestId = randomUUID()
  this.log.info({ reqId: requestId, reason: error.code, remoteAddress: socket.remoteAddress }, 'malformed request')
  refuseSocket(socket, failure(malformed(error.code), { details: { reason: error.code } }), requestId)
  socket.destroySoon()
}

function malformed (code: string | undefined): ErrorName {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT'
  return 'NOT_HTTP'
}
