import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

const LINGER_MS = 1000

/**
 * Answers with JSON, by hand, on a connection that has no reply object (malformed HTTP, an upgrade), and ends it, whatever
 * its client does: Node has forgotten one that asks for an upgrade.
 */
export function refuseSocket (socket: Duplex, statusCode: number, reply: object): void {
  const body = JSON.stringify(reply)
  socket.end([`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Refused'}`, 'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', body].join('\r\n'))
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
