import type { FastifyInstance, FastifyRequest } from 'fastify'
import { peerOf } from '#domain/http/peer.ts'
import type { SessionEvent } from '#domain/live/event.ts'

/** One reader of a session's events. */
export interface EventReader {
  /** Sends an event, which is one JSON object. */
  send (event: string): void
  /** The number of sent bytes that the reader has not read yet. */
  unread (): number
  /** Ends the connection when everything has been sent. `isLoggedOut` when the reader's credential has ended. */
  end (isLoggedOut: boolean): void
  /** Breaks the connection off. */
  drop (): void
}

/** A reader with more unread bytes is too slow: its connection is broken off, and it may reconnect. */
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

/** The event as clients see it: without its line in the supervisor's file. */
function toJson ({ line, ...event }: SessionEvent): string {
  return JSON.stringify(event)
}
