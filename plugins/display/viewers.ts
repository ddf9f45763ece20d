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
      /** How many look at the session by this link. */
      countBy (shareId: string, sessionId: string): number
    }
  }
}

/** A visitor's connection; `over` closes it. */
interface Viewer { socket: Duplex, visitor: Visitor, over: AbortController }

/** The viewers of one session. When the last one has gone, Xpra hides its windows. */
interface Audience { viewers: Set<Viewer>, windows: ShownWindows }

const MAX_VIEWERS = 32
/** Of these, by links: whoever has one does not keep the owner out. */
const MAX_SHARED = 24
/** What a viewer's connection is closed with when its visitor may look no longer. */
const SENT_AWAY = 4403
/** And when the session ends; the reason says why. */
const SESSION_ENDED = 4410
/** Of a session's viewers that are thrown out, one in so much time is an event: the others are only logged. */
const EVENT_MS = 60_000

/** Lets viewers look at sessions' displays: so many at a time, each for as long as it may, each behind its filter. */
async function viewers (app: FastifyInstance): Promise<void> {
  const audiences = new Map<string, Audience>()
  const all = () => [...audiences.values()].flatMap(({ viewers }) => [...viewers])

  app.decorate('viewers', {
    countBy: (shareId, sessionId) => [...audiences.get(sessionId)?.viewers ?? []].filter(({ visitor }) => visitor.share?.id === shareId).length
  } satisfies FastifyInstance['viewers'])
  app.audit.own('viewer', () => audiences.keys())
  app.upgrades.add('', { protocol: 'binary', open: look })
  app.shares.onRevoked(id => {
    for (const viewer of all()) if (viewer.visitor.share?.id === id) sendAway(viewer, SENT_AWAY, 'the link was revoked')
  })
  app.sessions.onEnding(({ id }, reason) => {
    // by a link, one learns that the session ends, and not why
    for (const viewer of audiences.get(id)?.viewers ?? []) sendAway(viewer, SESSION_ENDED, viewer.visitor.share ? '' : reason)
  })

  async function look (upgrade: Upgrade): Promise<void> {
    const { session: { id, slot }, visitor, socket, head, key } = upgrade
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
    await spliceDisplay(socket, { head, key, port: slot.displayPort, filter, over: viewer.over.signal, thrownOut: violation => noteThrownOut(upgrade, violation) }).catch(cause => {
      throw cause instanceof DisplayUnreachable ? failure('BAD_GATEWAY', { cause }) : cause
    })
    if (!socket.destroyed) stay(upgrade, viewer, closed) // it may have gone away meanwhile
  }

  /** Takes a place in the audience until the socket is closed; resolves then. @throws {Ex10Error} EX10_TOO_MANY_VIEWERS */
  function join (id: string, audience: Audience, viewer: Viewer): Promise<void> {
    const { viewers } = audience
    const { socket, visitor: { share } } = viewer
    if (viewers.size >= MAX_VIEWERS || (share && [...viewers].filter(({ visitor }) => visitor.share).length >= MAX_SHARED)) throw failure('TOO_MANY_VIEWERS')
    audiences.set(id, audience)
    viewers.add(viewer)
    const expiry = share && setTimeout(sendAway, share.expiresAt.getTime() - Date.now(), viewer, SENT_AWAY, 'the link has expired')
    return new Promise(resolve => socket.once('close', resolve)).then(() => {
      clearTimeout(expiry)
      viewers.delete(viewer)
      if (viewers.size === 0) audiences.delete(id)
    })
  }

  /** A viewer that goes on trying does not push all else out of the session's events. */
  function noteThrownOut ({ session, visitor: { user, share }, peer }: Upgrade, { closeCode, message }: ProtocolViolation): void {
    app.log.warn({ sessionId: session.id, user, share: share?.id, remoteAddress: peer.address, remotePort: peer.port, closeCode, reason: message }, 'viewer thrown out')
    const last = app.events.past(session.id).findLast(({ type }) => type === 'viewer-thrown-out')
    if (last && Date.now() - Date.parse(last.at) < EVENT_MS) return
    app.events.publish(session, { type: 'viewer-thrown-out', message: `A viewer broke the protocol, and was thrown out: ${message}`, ...(user !== undefined && { user }), ...(share && { share: share.id }) })
  }

  function stay ({ session: { id }, visitor: { user, share, credential }, peer }: Upgrade, viewer: Viewer, closed: Promise<void>): void {
    app.expiry.viewed(id, closed)
    const close = app.channels.open(id, { type: 'viewer', ...peer, ...(user !== undefined && { user }), ...(share && { share: share.id }) }, credential, () => sendAway(viewer, SENT_AWAY, 'you are not logged in any more'))
    closed.then(close, close)
  }
}

function sendAway ({ over }: Viewer, closeCode: number, message: string): void {
  over.abort({ closeCode, message } satisfies Farewell)
}

export default fp(viewers, { name: 'viewers', dependencies: ['audit', 'channels', 'events', 'expiry', 'sessions', 'shares', 'upgrades'] })
