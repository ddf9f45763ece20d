import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Visitor } from '#domain/access/credential.ts'
import { ShownWindows } from '#domain/display/shown-windows.ts'
import { viewerFilter } from '#domain/display/viewer-filter.ts'
import type { Farewell, ProtocolViolation } from '#domain/display/websocket-frames.ts'
import type { Upgrade } from '#domain/sessions/upgrade.ts'
import { failure } from '#errors.ts'
import { DisplayUnreachable, spliceDisplay } from '#system/display/display-socket.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The open connections to displays. */
    viewers: {
      /** The number of the session's viewers by this link. */
      countBy (shareId: string, sessionId: string): number
    }
  }
}

/** A visitor's connection; `over` closes it. */
interface Viewer { socket: Duplex, visitor: Visitor, over: AbortController }

/** The viewers of one session. When the last one has gone, Xpra hides its windows. */
interface Audience { viewers: Set<Viewer>, windows: ShownWindows }

const MAX_VIEWERS = 32
/** The most viewers by links, below the limit of all viewers: they cannot keep the owner out. */
const MAX_SHARED = 24
/** The close code for a viewer whose credential or link has ended. */
const SENT_AWAY = 4403
/** The close code at the end of the session; the close reason is the session's end reason. */
const SESSION_ENDED = 4410
/** The least time between two `viewer-thrown-out` events of a session. Further ones are only logged. */
const EVENT_MS = 60_000

/** Connects viewers to sessions' displays: a limited number, each while its credential holds, each behind its filter. */
async function viewers (app: FastifyInstance): Promise<void> {
  const audiences = new Map<string, Audience>()
  const all = () => [...audiences.values()].flatMap(({ viewers }) => [...viewers])
  const gone = { sent: 0, received: 0 } // bytes of the viewers that have gone
  const most = { sent: 0, received: 0 } // what was told last: bytes that a viewer's end keeps from being sent were counted before

  app.decorate('viewers', {
    countBy: (shareId, sessionId) => [...audiences.get(sessionId)?.viewers ?? []].filter(({ visitor }) => visitor.share?.id === shareId).length
  } satisfies FastifyInstance['viewers'])
  app.audit.own('viewer', () => audiences.keys())
  app.metrics.own({
    name: 'ex10_display_bytes_total',
    help: 'Bytes between displays and their viewers: sent to viewers, and received from them',
    type: 'counter',
    labels: ['direction'],
    read () {
      const sum = all().map(bytesOf).reduce((sum, { sent, received }) => ({ sent: sum.sent + sent, received: sum.received + received }), gone)
      most.sent = Math.max(most.sent, sum.sent)
      most.received = Math.max(most.received, sum.received)
      return [[{ direction: 'sent' }, most.sent], [{ direction: 'received' }, most.received]]
    }
  })
  app.upgrades.add('', { protocol: 'binary', open: look })
  app.shares.onRevoked(id => {
    for (const viewer of all()) if (viewer.visitor.share?.id === id) sendAway(viewer, SENT_AWAY, 'the link was revoked')
  })
  app.sessions.onEnding(({ id }, reason) => {
    // viewers by a link learn that the session ends, but not the reason
    for (const viewer of audiences.get(id)?.viewers ?? []) sendAway(viewer, SESSION_ENDED, viewer.visitor.share ? '' : reason)
  })

  async function look (upgrade: Upgrade): Promise<void> {
    const { session: { id, slot }, visitor, requestId, socket, head, key } = upgrade
    const audience = audiences.get(id) ?? { viewers: new Set(), windows: new ShownWindows() }
    const filter = viewerFilter({
      mode: visitor.share?.mode ?? 'control',
      acted () {
        app.expiry.saw(id)
        visitor.credential.used?.()
      },
      isUnattended: () => ![...audience.viewers].some(({ visitor: { share } }) => share?.mode !== 'view'),
      windows: audience.windows
    })
    const viewer: Viewer = { socket, visitor, over: new AbortController() }
    const closed = join(id, audience, viewer)
    await spliceDisplay(socket, { head, key, requestId, port: slot.displayPort, filter, over: viewer.over.signal, thrownOut: violation => noteThrownOut(upgrade, violation) }).catch(cause => {
      throw cause instanceof DisplayUnreachable ? failure('BAD_GATEWAY', { cause }) : cause
    })
    if (!socket.destroyed) stay(upgrade, viewer, closed) // the viewer may have closed the connection meanwhile
  }

  /** Adds the viewer to the audience until its socket is closed, and resolves then. @throws {Ex10Error} EX10_TOO_MANY_VIEWERS */
  function join (id: string, audience: Audience, viewer: Viewer): Promise<void> {
    const { viewers } = audience
    const { socket, visitor: { share } } = viewer
    if (viewers.size >= MAX_VIEWERS || (share && [...viewers].filter(({ visitor }) => visitor.share).length >= MAX_SHARED)) throw failure('TOO_MANY_VIEWERS')
    audiences.set(id, audience)
    viewers.add(viewer)
    const expiry = share && setTimeout(sendAway, share.expiresAt.getTime() - Date.now(), viewer, SENT_AWAY, 'the link has expired')
    return new Promise(resolve => socket.once('close', resolve)).then(() => {
      clearTimeout(expiry)
      const { sent, received } = bytesOf(viewer)
      gone.sent += sent
      gone.received += received
      viewers.delete(viewer)
      if (viewers.size === 0) audiences.delete(id)
    })
  }

  /** Logs the viewer, and publishes an event at most once a minute, so that repeated attempts do not push other events out of the history. */
  function noteThrownOut ({ session, visitor: { user, share }, requestId: reqId, peer }: Upgrade, { closeCode, message }: ProtocolViolation): void {
    app.log.warn({ reqId, sessionId: session.id, user, share: share?.id, remoteAddress: peer.address, remotePort: peer.port, closeCode, reason: message }, 'viewer thrown out')
    const last = app.events.past(session.id).findLast(({ type }) => type === 'viewer-thrown-out')
    if (last && Date.now() - Date.parse(last.at) < EVENT_MS) return
    app.events.publish(session, { type: 'viewer-thrown-out', message: `A viewer broke the protocol, and was thrown out: ${message}`, ...(user !== undefined && { user }), ...(share && { share: share.id }) })
  }

  function stay ({ session: { id }, visitor: { user, share, credential }, peer }: Upgrade, viewer: Viewer, closed: Promise<void>): void {
    app.expiry.viewed(id, closed)
    app.analytics.viewed(id, `${share?.id ?? user ?? ''} ${user ?? peer.address}`, closed)
    const close = app.channels.open(id, { type: 'viewer', ...peer, ...(user !== undefined && { user }), ...(share && { share: share.id }) }, credential, () => sendAway(viewer, SENT_AWAY, 'you have been logged out'))
    closed.then(close, close)
  }
}

/** All bytes of the viewer's connection, which began with the request for the WebSocket. */
function bytesOf ({ socket }: Viewer): { sent: number, received: number } {
  const { bytesWritten: sent, bytesRead: received } = socket as Socket
  return { sent, received }
}

function sendAway ({ over }: Viewer, closeCode: number, message: string): void {
  over.abort({ closeCode, message } satisfies Farewell)
}

export default fp(viewers, { name: 'viewers', dependencies: ['analytics', 'audit', 'metrics', 'channels', 'events', 'expiry', 'sessions', 'shares', 'upgrades'] })
