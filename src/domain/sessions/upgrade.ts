import type { Duplex } from 'node:stream'
import type { Visitor } from '#domain/access/credential.ts'
import type { Peer } from '#domain/http/peer.ts'
import type { Session } from '#domain/session.ts'

/** A visitor's request for a WebSocket to a session: checked, and not answered yet. */
export interface Upgrade {
  session: Session
  visitor: Visitor
  /** As in `x-request-id`. */
  requestId: string
  /** The client's address and port. */
  peer: Peer
  socket: Duplex
  /** The first bytes after the request. */
  head: Buffer
  /** The request's Sec-WebSocket-Key. */
  key: string
}

/** Opens the WebSockets of one kind. */
export interface UpgradeHandler {
  /** The subprotocol that a client must offer. */
  protocol: string
  /**
   * Answers the handshake and owns the socket from then on.
   * @throws {Ex10Error} before anything is written to the socket: the visitor receives this error
   */
  open (upgrade: Upgrade): Promise<void>
}
