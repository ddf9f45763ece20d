import type { FastifyInstance, FastifyRequest } from 'fastify'
import { peerOf } from '#domain/http/peer.ts'
import type { SessionEvent } from '#domain/live/event.ts'

/** One reader of a session's events. */
export interface EventReader {
  /** Sends an event, which is one JSON object. */
  send (event: string): void
  /** How many bytes were sent that the reader has not taken yet. */
  unread (): number
  /** Ends the connection when everything has been sent; `isLoggedOut` when the reader may read no longer. */
  end (isLoggedOut: boolean): void
  /** Breaks the connection off. */
  drop (): void
}

/** Beyond this, a reader does not keep up: it is let go, and may come again. */
const UNREAD_BYTES = 256 * 1024
const HEARTBEAT_MS = 15_000

/**
 * Sends a session's past events and, with `isFollowing`, new ones until the session has ended. Returns a function that stops
 * this, to be called when the connection is closed.
 * @throws {Ex10Error} EX10_TOO_MANY_STREAMS, before anything is sent
 */
export function feedEvents (app: FastifyInstance, id: string, request: FastifyRequest, reader: EventReader, isFollowing: boolean): () => void {
  const stop = isFollowing ? app.events.follow(id, take) : undefined
  for (const event of app.events.past(id)) reader.send(toJson(event))
  if (!stop) {
    reader.end(false)
    return () => {}
  }
  const close = app.channels.open(id, { type: 'events', user: request.principal.user, ...peerOf(request) }, request.credential, () => end(true))
  const heartbeat = setTimeout(() => take({ type: 'heartbeat', at: new Date().toISOString(), message: 'Nothing happened' }), HEARTBEAT_MS)

  let isOver = false

  function take (event: SessionEvent): void {
    if (isOver) return
    if (reader.unread() > UNREAD_BYTES) return reader.drop()
    reader.send(toJson(event))
    if (event.type === 'ended') return end(false)
    heartbeat.refresh()
  }

  function end (isLoggedOut: boolean): void {
    isOver = true
    reader.end(isLoggedOut)
  }

  return () => {
    stop()
    close()
    clearTimeout(heartbeat)
  }
}

/** As clients see it: without where it came from. */
function toJson ({ line, ...event }: SessionEvent): string {
  return JSON.stringify(event)
}
