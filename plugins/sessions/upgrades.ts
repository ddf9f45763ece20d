import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import proxyAddr from '@fastify/proxy-addr'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Visitor } from '#domain/access/credential.ts'
import { clientOf } from '#domain/access/login.ts'
import { Tickets } from '#domain/access/tickets.ts'
import type { UpgradeHandler } from '#domain/sessions/upgrade.ts'
import { failure, shownAs } from '#errors.ts'
import { refuseSocket } from '#http/refuse-socket.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Every request for a WebSocket comes in here. Below `/session/ID/` a ticket lets it in, and the handler of its path opens it. */
    upgrades: {
      /** A ticket for one WebSocket to the session, good for a minute, as long as its visitor may. */
      issueTicket (sessionId: string, visitor: Visitor): string
      /** Hands each WebSocket at `/session/ID/` + `prefix`… to the handler; of several prefixes, the longest one counts. */
      add (prefix: string, handler: UpgradeHandler): void
    }
  }
}

const SESSION_PATH = /^\/session\/([0-9a-f]{32})\/(.*)/s

/** Fastify's hooks do not run for upgrades: everything that a request must pass is checked here, by hand. */
async function upgrades (app: FastifyInstance): Promise<void> {
  const tickets = new Tickets()
  const handlers = new Map<string, UpgradeHandler>()
  const open = new Set<Duplex>()
  const isTrusted = proxyAddr.compile(app.config.trustProxy)

  app.decorate('upgrades', {
    issueTicket: (sessionId, visitor) => tickets.issue(sessionId, visitor),
    add: (prefix, handler) => { handlers.set(prefix, handler) }
  } satisfies FastifyInstance['upgrades'])
  app.audit.own('ticket', () => tickets.sessionIds())
  app.events.observe(({ id }, { type }) => {
    if (type === 'ended' || type === 'failed') tickets.forget(id)
  })

  app.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {}) // until its handler listens: a visitor that goes away early is no error of ours
    upgrade(request, socket, head).catch(err => {
      const error = shownAs(err, 'INTERNAL')
      if (error.statusCode >= 500) app.log.warn({ err, ...peerOf(request) }, 'WebSocket not opened')
      refuseSocket(socket, error)
    })
  })

  app.addHook('preClose', async () => {
    for (const socket of open) socket.destroy()
  })

  async function upgrade (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (request.method !== 'GET') throw failure('NOT_FOUND')
    app.origins.checkHost(request)
    // the display page has an opaque origin, which is called null: its ticket speaks for it
    if (request.headers.origin !== 'null') app.origins.checkChange(request.headers)
    const url = URL.parse(request.url ?? '', 'http://localhost')
    const [, id, path] = SESSION_PATH.exec(url?.pathname ?? '') ?? []
    if (!url || id === undefined || path === undefined) throw failure('NOT_FOUND')
    await openBelow(id, path, url.searchParams.get('ticket') ?? '', { request, socket, head })
  }

  async function openBelow (id: string, path: string, ticket: string, { request, socket, head }: { request: IncomingMessage, socket: Duplex, head: Buffer }): Promise<void> {
    const { remoteAddress, remotePort } = peerOf(request)
    // first: whether there is such a session is only for visitors who may look at it
    const visitor = redeem(ticket, id, request, remoteAddress)
    const session = app.sessions.ready(id)
    const handler = handlerOf(path)
    const { 'sec-websocket-key': key = '', 'sec-websocket-version': version, 'sec-websocket-protocol': protocol = '' } = request.headers
    if (!handler) throw failure('NOT_FOUND')
    if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || version !== '13' || !protocol.split(/, */).includes(handler.protocol)) throw failure('BAD_REQUEST')
    hold(socket)
    await handler.open({ session, visitor, port: remotePort, socket, head, key })
  }

  /** Whose the ticket is, if what let them in still does. */
  function redeem (ticket: string, sessionId: string, { headers }: IncomingMessage, address: string): Visitor {
    const visitor = tickets.redeem(ticket, sessionId)
    if (!visitor?.credential.holds(clientOf(headers, address))) throw failure('BAD_TICKET')
    return visitor
  }

  function handlerOf (path: string): UpgradeHandler | undefined {
    const [prefix] = [...handlers.keys()].filter(prefix => path.startsWith(prefix)).toSorted((a, b) => b.length - a.length)
    return prefix === undefined ? undefined : handlers.get(prefix)
  }

  /** Counts the socket until it is closed. */
  function hold (socket: Duplex): void {
    if (open.size >= app.connections.maxSockets) throw failure('TOO_MANY_VIEWERS', { message: 'The server has as many viewers as it can' })
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }

  /** Where the request comes from. Behind a trusted proxy the port is the proxy's: it says nothing of the client. */
  function peerOf (request: IncomingMessage): { remoteAddress: string, remotePort: number | undefined } {
    const remoteAddress = proxyAddr(request, isTrusted)
    const { remoteAddress: nearest, remotePort } = request.socket
    return { remoteAddress, remotePort: remoteAddress === nearest ? remotePort : undefined }
  }
}

export default fp(upgrades, { name: 'upgrades', dependencies: ['config', 'audit', 'connections', 'events', 'origins', 'sessions'] })
