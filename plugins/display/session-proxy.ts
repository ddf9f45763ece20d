import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import proxyAddr from '@fastify/proxy-addr'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { clientOf, type Client } from '#domain/access/login.ts'
import { ShownWindows } from '#domain/display/shown-windows.ts'
import { Tickets } from '#domain/display/tickets.ts'
import { viewerFilter } from '#domain/display/viewer-filter.ts'
import type { Visitor } from '#domain/access/credential.ts'
import { ProtocolViolation } from '#domain/display/websocket-frames.ts'
import { Ex10Error, failure } from '#errors.ts'
import type { SessionParams } from '#schemas/common.ts'
import { DisplayUnreachable, spliceDisplay } from '#system/display/display-socket.ts'
import { refuseSocket } from '#http/refuse-socket.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sessionProxy: {
      /** A ticket for one WebSocket to the session's display, good for a minute, as long as its visitor may. */
      issueTicket (sessionId: string, visitor: Visitor): string
      /** How many look at the session by this link. */
      viewersBy (shareId: string, sessionId: string): number
    }
  }
}

/** A visitor's connection; `over` closes it. */
interface Viewer { socket: Duplex, visitor: Visitor, over: AbortController }

/** Who looks at a session. When the last one has gone, Xpra hides its windows. */
interface Audience { viewers: Set<Viewer>, windows: ShownWindows }

const MAX_VIEWERS = 32
/** Of these, by links: whoever has one does not keep the owner out. */
const MAX_SHARED = 24
/** What a viewer's connection is closed with when its visitor may look no longer. */
const SENT_AWAY = 4403
const REQUEST_HEADERS = ['accept', 'accept-language', 'range', 'if-none-match', 'if-modified-since']
const RESPONSE_HEADERS = ['content-type', 'content-length', 'content-encoding', 'content-range', 'accept-ranges', 'etag', 'last-modified', 'date']
/** What a session's process answers gets no rights in the reader's browser. */
const REPLY_HEADERS = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin'
}

/** What lies below /session/:id/ and is not a file of the display page: HTTP and WebSockets to the session's Xpra. */
async function sessionProxy (app: FastifyInstance): Promise<void> {
  const tickets = new Tickets()
  const audiences = new Map<string, Audience>()
  let viewerCount = 0 // of all sessions
  const isTrusted = proxyAddr.compile(app.config.trustProxy)

  /** Whose the ticket is, if what let them in still does. */
  function redeem (ticket: string, sessionId: string, from: Client): Visitor {
    const visitor = tickets.redeem(ticket, sessionId)
    if (!visitor?.credential.holds(from)) throw failure('BAD_TICKET')
    return visitor
  }

  /** Hooks do not run for upgrades: everything that a request must pass is checked here, by hand. */
  async function upgrade (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (request.method !== 'GET') throw failure('NOT_FOUND')
    app.origins.checkHost(request)
    // the display page has an opaque origin, which is called null: its ticket speaks for it
    if (request.headers.origin !== 'null') app.origins.checkChange(request.headers)
    const url = URL.parse(request.url ?? '', 'http://localhost')
    const id = /^\/session\/([0-9a-f]{32})\//.exec(url?.pathname ?? '')?.[1]
    if (!url || !id) throw failure('NOT_FOUND')
    // first: whether there is such a session is only for who may look at it
    const visitor = redeem(url.searchParams.get('ticket') ?? '', id, clientOf(request.headers, proxyAddr(request, isTrusted)))
    const session = app.sessions.ready(id)
    const { 'sec-websocket-key': key = '', 'sec-websocket-version': version, 'sec-websocket-protocol': protocol = '' } = request.headers
    if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || version !== '13' || !protocol.split(/, */).includes('binary')) throw failure('BAD_REQUEST')
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
    const over = new AbortController()
    await view(id, audience, { socket, visitor, over }, () => spliceDisplay(socket, head, key, session.slot.displayPort, filter, over.signal))
  }

  /** Keeps the viewer's socket known for as long as it is open, and its link is good. */
  async function view (id: string, audience: Audience, viewer: Viewer, open: () => Promise<void>): Promise<void> {
    const all = audience.viewers
    const { socket, visitor: { address, user, share, credential } } = viewer
    if (all.size >= MAX_VIEWERS || (share && [...all].filter(({ visitor }) => visitor.share).length >= MAX_SHARED)) throw failure('TOO_MANY_VIEWERS')
    if (viewerCount >= app.connections.maxViewers) throw failure('TOO_MANY_VIEWERS', { message: 'The server has as many viewers as it can' })
    audiences.set(id, audience)
    all.add(viewer)
    viewerCount++
    const expiry = share && setTimeout(sendAway, share.expiresAt.getTime() - Date.now(), viewer, 'the link has expired')
    const closed = new Promise(resolve => socket.once('close', resolve)).then(() => {
      clearTimeout(expiry)
      viewerCount--
      all.delete(viewer)
      if (all.size === 0) audiences.delete(id)
    })
    await open()
    if (socket.destroyed) return // it went away meanwhile
    app.expiry.viewed(id, closed)
    const close = app.channels.open(id, { type: 'viewer', address, ...(user !== undefined && { user }), ...(share && { share: share.id }) }, credential, () => sendAway(viewer, 'you are not logged in any more'))
    closed.then(close, close)
  }

  app.shares.onRevoked(id => {
    for (const viewer of [...audiences.values()].flatMap(({ viewers }) => [...viewers])) {
      if (viewer.visitor.share?.id === id) sendAway(viewer, 'the link was revoked')
    }
  })

  app.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {}) // until the splice listens: a viewer that goes away early is no error of ours
    upgrade(request, socket, head).catch(err => {
      const error = err instanceof Ex10Error ? err : failure(err instanceof DisplayUnreachable ? 'BAD_GATEWAY' : 'INTERNAL')
      if (error.statusCode >= 500) app.log.warn({ err }, 'viewer connection failed')
      refuseSocket(socket, error)
    })
  })

  await app.register(httpProxy, {
    prefix: '/session/:id',
    rewritePrefix: '/',
    upstream: '',
    httpMethods: ['GET'],
    proxyPayloads: false, // a GET has none
    preHandler: async (request: FastifyRequest, reply: FastifyReply) => {
      const params = request.params as SessionParams & { '*'?: string }
      app.rights.readySession(request.principal, params.id)
      if (!params['*']) return reply.redirect(`/session/${params.id}/index.html`)
    },
    replyOptions: {
      getUpstream: request => `http://127.0.0.1:${app.sessions.ready((request.params as SessionParams).id).slot.displayPort}`,
      rewriteRequestHeaders: (_request, headers) => pick(headers, REQUEST_HEADERS),
      rewriteHeaders: headers => ({ ...pick(headers, RESPONSE_HEADERS), ...REPLY_HEADERS }),
      // sent, not thrown: this is called from the proxy's own callbacks, where nobody catches
      onError: (reply, { error }) => { (reply as FastifyReply).send(failure('BAD_GATEWAY', { cause: error })) },
      retryDelay: () => null // the session does not decide how long its reader waits
    },
    undici: { headersTimeout: 10_000, bodyTimeout: 10_000 }
  })

  app.events.observe(({ id }, { type }) => {
    if (type === 'ended' || type === 'failed') tickets.forget(id)
  })
  app.audit.own('viewer', () => audiences.keys())
  app.audit.own('ticket', () => tickets.sessionIds())
  app.decorate('sessionProxy', {
    issueTicket: (sessionId: string, visitor: Visitor) => tickets.issue(sessionId, visitor),
    viewersBy: (shareId: string, sessionId: string) => [...audiences.get(sessionId)?.viewers ?? []].filter(({ visitor }) => visitor.share?.id === shareId).length
  })

  app.addHook('preClose', async () => {
    for (const { socket } of [...audiences.values()].flatMap(({ viewers }) => [...viewers])) socket.destroy()
  })
}

function sendAway ({ over }: Viewer, why: string): void {
  over.abort(new ProtocolViolation(SENT_AWAY, why))
}

function pick<T> (headers: Record<string, T>, names: string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)))
}

export default fp(sessionProxy, { name: 'session-proxy', dependencies: ['config', 'audit', 'channels', 'connections', 'events', 'expiry', 'identity', 'origins', 'rights', 'sessions', 'shares'] })
