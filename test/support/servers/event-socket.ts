import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { SessionEvent } from './events.ts'
import type { Server } from './server.ts'

type Headers = Record<string, string>

/** A reader of a session's events by a WebSocket. */
export interface EventSocket {
  socket: WebSocket
  /** The events so far. */
  events: SessionEvent[]
  /** The code and the reason with which the server closes it. */
  closed: Promise<[code: number, reason: string]>
}

const socketTo = ({ url, headers: own }: Pick<Server, 'url' | 'headers'>, path: string, headers: Headers) => new WebSocket(url.replace('http', 'ws') + path, { headers: { ...own, ...headers } })

export async function openEvents (t: Test, server: Pick<Server, 'url' | 'headers'>, id: string, { query = '', headers = {} }: { query?: string, headers?: Headers } = {}): Promise<EventSocket> {
  const socket = socketTo(server, `/sessions/${id}/events${query}`, headers)
  t.teardown(() => socket.terminate())
  const events: SessionEvent[] = []
  socket.on('message', data => events.push(JSON.parse(String(data))))
  const closed = new Promise<[number, string]>(resolve => socket.once('close', (code, reason) => resolve([code, String(reason)])))
  await once(socket, 'open')
  return { socket, events, closed }
}

/** How the server answers a request for a WebSocket that it refuses; 101 when it does not. */
export async function refusalOf (server: Pick<Server, 'url' | 'headers'>, path: string, headers: Headers = {}): Promise<{ status: number, code?: string }> {
  const socket = socketTo(server, path, headers)
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage | undefined>()
  socket.on('open', () => { socket.terminate(); resolve(undefined) })
  socket.on('unexpected-response', (_request, response) => resolve(response))
  socket.on('error', reject)
  const response = await promise
  if (!response) return { status: 101 }
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode ?? 0, code: JSON.parse(text).code }
}
