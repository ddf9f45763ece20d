import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { toReply, type Ex10Error } from '#errors.ts'
import { answerHeaders } from './answer-headers.ts'

const LINGER_MS = 1000

/**
 * Writes the error on a connection that has no reply object (malformed HTTP, an upgrade), and ends the connection, even when
 * its client does not: after an upgrade request, Node no longer watches the connection.
 */
export function refuseSocket (socket: Duplex, error: Ex10Error, requestId: string): void {
  const { statusCode, retryAfterSeconds } = error
  const body = JSON.stringify(toReply(error))
  socket.end([`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Refused'}`, 'Content-Type: application/json; charset=utf-8',
    ...Object.entries(answerHeaders(requestId)).map(([name, value]) => `${name}: ${value}`),
    ...(retryAfterSeconds === undefined ? [] : [`Retry-After: ${retryAfterSeconds}`]),
    `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', body].join('\r\n'))
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
