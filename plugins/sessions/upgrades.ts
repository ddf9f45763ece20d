import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import proxyAddr from '@fastify/proxy-addr'
import websocket, { type WebSocket } from '@fastify/websocket'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Visitor } from '#domain/access/credential.ts'
import { clientOf } from '#domain/access/login.ts'
import { Tickets } from '#domain/access/tickets.ts'
import { peerOf } from '#domain/http/peer.ts'
import { withoutPrefix } from '#domain/http/public-address.ts'
import type { UpgradeHandler } from '#domain/sessions/upgrade.ts'
import { Ex10Error, failure, shownAs } from '#errors.ts'
import { REQUEST_ID } from '#http/answer-headers.ts'
import { refuseSocket } from '#http/refuse-socket.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Receives every request for a WebSocket. Below `/session/ID/` a ticket admits it, and the handler of its path opens
     * it. Elsewhere it is a normal request, with all hooks, to a route that has a `wsHandler`.
     */
    upgrades: {
      /** Issues a ticket for one WebSocket to the session. It is valid for a minute, while its visitor's credential holds. */
      issueTicket (sessionId: string, visitor: Visitor): string
      /** Passes each WebSocket at `/session/ID/` + `prefix`… to the handler. Of several matching prefixes, the longest one counts. */
      add (prefix: string, handler: UpgradeHandler): void
    }
  }
  interface FastifyContextConfig {
    /** The route has a `wsHandler`. Set by this plugin. */
    isSocket?: boolean
  }
}

const PING_MS = 15_000
/** A client that has not answered pings for this time counts as gone. */
const SILENCE_MS = 45_000
/** The time that clients have for closing their side when the server closes. */
const LINGER_MS = 1000
/** The largest message to the server's own sockets, which mainly send. */
const MAX_MESSAGE = 4096
/** Close codes of RFC 6455: going away, internal error, try again later. */
const [GOING_AWAY, WENT_WRONG, TRY_AGAIN] = [1001, 1011, 1013]
const SESSION_PATH = /^\/session\/([0-9a-f]{32})\/(.*)/s

/** Owns the server's `upgrade` event. */
async function upgrades (app: FastifyInstance): Promise<void> {
  const tickets = new Tickets()
  const handlers = new Map<string, UpgradeHandler>()
  const open = new Set<Duplex>()
  const isTrusted = proxyAddr.compile(app.config.trustProxy)
  const peerAt = (request: IncomingMessage) => peerOf({ ip: proxyAddr(request, isTrusted), socket: request.socket })
  const routed = new EventEmitter() // passes requests that are not below a session to @fastify/websocket
  const passed = new WeakSet<Duplex>() // their sockets
  const heardAt = new WeakMap<WebSocket, number>()

  app.decorate('upgrades', {
    issueTicket: (sessionId, visitor) => tickets.issue(sessionId, visitor),
    add: (prefix, handler) => { handlers.set(prefix, handler) }
  } satisfies FastifyInstance['upgrades'])
  app.audit.own('ticket', () => tickets.sessionIds())
  app.events.observe(({ id }, { type }) => {
    if (type === 'ended' || type === 'failed') tickets.forget(id)
  })

  app.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {}) // until a handler listens: a client that closes early is no error of the server
    upgrade(request, socket, head).catch(err => {
      const error = shownAs(err, 'INTERNAL')
      const requestId = app.requestIdOf(request)
      const log = app.log.child({ reqId: requestId, ...peerAt(request) })
      if (error.statusCode >= 500) log.warn({ err }, 'WebSocket not opened')
      else log.info({ code: error.code }, 'WebSocket refused')
      refuseSocket(socket, error, requestId)
    })
  })

  await app.register(websocket, { options: { server: routed as Server, maxPayload: MAX_MESSAGE }, errorHandler: closeFailed, preClose: closeAll })
  const own = app.websocketServer
  own.on('connection', socket => {
    const noteSign = () => heardAt.set(socket, performance.now())
    noteSign()
    socket.on('pong', noteSign)
  })
  own.on('headers', (headers, request) => headers.push(`${REQUEST_ID}: ${app.requestIdOf(request)}`))
  own.on('wsClientError', (_error, socket, request) => refuseSocket(socket, failure('BAD_REQUEST'), app.requestIdOf(request)))
  const pings = setInterval(ping, PING_MS).unref()

  app.addHook('onRoute', route => {
    if (route.wsHandler) route.config = { ...route.config, isSocket: true }
  })
  app.addHook('onRequest', async ({ ws, is404, routeOptions }, reply) => {
    if (!ws) return
    reply.header('connection', 'close') // stands in refusals
    if (!is404 && !routeOptions.config.isSocket) throw failure('NOT_FOUND')
  })
  // a hook before those of @fastify/websocket may refuse, and then neither the library nor Node closes the socket
  app.addHook('onResponse', async ({ raw }) => { if (passed.has(raw.socket)) raw.socket.destroySoon() })
  app.addHook('preHandler', async ({ ws, raw }) => {
    if (ws) hold(raw.socket, failure('TOO_MANY_STREAMS', { message: 'The server has reached its limit of WebSockets: try again later' }))
  })

  async function upgrade (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (app.connections.isClosing()) throw failure('SHUTTING_DOWN')
    request.url = withoutPrefix(request.url ?? '', app.publicAddress.prefix)
    app.origins.checkHost(request)
    const url = URL.parse(request.url ?? '', 'http://localhost')
    const [, id, path] = SESSION_PATH.exec(url?.pathname ?? '') ?? []
    const isBelow = id !== undefined && path !== undefined
    // the display page has an opaque origin, sent as null: its ticket is checked instead
    if (!isBelow || request.headers.origin !== 'null') app.origins.checkChange(request.headers)
    if (isBelow) await openBelow(id, path, url?.searchParams.get('ticket') ?? '', { request, socket, head })
    else {
      passed.add(socket)
      routed.emit('upgrade', request, socket, head)
    }
  }

  /** Opens a WebSocket below a session. No hooks run for it, so the checks of a request are made here. */
  async function openBelow (id: string, path: string, ticket: string, { request, socket, head }: { request: IncomingMessage, socket: Duplex, head: Buffer }): Promise<void> {
    const peer = peerAt(request)
    // checked first: only visitors of the session may learn that it exists
    const visitor = await redeem(ticket, id, request, peer.address)
    if (socket.destroyed) return // the client has closed the connection meanwhile
    if (app.connections.isClosing()) throw failure('SHUTTING_DOWN') // it began while hooks ran: `closeAll` may have been here
    const session = app.sessions.ready(id)
    const handler = handlerOf(path)
    const { 'sec-websocket-key': key = '', 'sec-websocket-version': version, 'sec-websocket-protocol': protocol = '' } = request.headers
    if (!handler) throw failure('NOT_FOUND')
    if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || version !== '13' || !protocol.split(/, */).includes(handler.protocol)) throw failure('BAD_REQUEST')
    hold(socket, failure('TOO_MANY_VIEWERS', { message: 'The server has reached its limit of WebSockets' }))
    await handler.open({ session, visitor, requestId: app.requestIdOf(request), peer, socket, head, key })
  }

  /** The visitor of the ticket. Throws unless the visitor's credential still holds. */
  async function redeem (ticket: string, sessionId: string, { headers }: IncomingMessage, address: string): Promise<Visitor> {
    const visitor = tickets.redeem(ticket, sessionId)
    if (!visitor || !await visitor.credential.holds(clientOf(headers, address))) throw failure('BAD_TICKET')
    return visitor
  }

  function handlerOf (path: string): UpgradeHandler | undefined {
    const [prefix] = [...handlers.keys()].filter(prefix => path.startsWith(prefix)).toSorted((a, b) => b.length - a.length)
    return prefix === undefined ? undefined : handlers.get(prefix)
  }

  /** Counts the socket until it is closed. @throws {Ex10Error} `refusal`, when the limit is reached */
  function hold (socket: Duplex, refusal: Ex10Error): void {
    if (socket.destroyed) return // the client has closed the connection meanwhile
    if (app.connections.isClosing()) throw failure('SHUTTING_DOWN') // it began while hooks ran: `closeAll` may have been here
    if (open.size >= app.connections.maxSockets) throw refusal
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }

  function ping (): void {
    for (const socket of own.clients) {
      if (performance.now() - (heardAt.get(socket) ?? 0) > SILENCE_MS) socket.terminate()
      else socket.ping()
    }
  }

  /** Closes a socket after a failure behind the handshake. A client that broke the protocol has received its close code by then. */
  function closeFailed (error: Error, socket: WebSocket): void {
    if (error instanceof Ex10Error) return socket.close(TRY_AGAIN, error.code)
    const isClients = String((error as NodeJS.ErrnoException).code).startsWith('WS_ERR_')
    if (!isClients) app.log.error({ err: error }, 'WebSocket failed')
    socket.close(WENT_WRONG)
  }

  async function closeAll (): Promise<void> {
    clearInterval(pings)
    const signal = AbortSignal.timeout(LINGER_MS)
    const untold = [...own.clients].filter(socket => socket.readyState === socket.OPEN) // the others have had their time
    for (const socket of untold) socket.close(GOING_AWAY, 'the server is shutting down')
    await Promise.allSettled(untold.map(socket => once(socket, 'close', { signal })))
    for (const socket of open) socket.destroy()
  }
}

export default fp(upgrades, { name: 'upgrades', dependencies: ['config', 'answer-headers', 'audit', 'connections', 'events', 'origins', 'public-address', 'sessions'] })
