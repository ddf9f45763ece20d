import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import type { Credential } from '#domain/access/credential.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'

const CHANNEL_TYPES = ['viewer', 'events'] as const

/** A connection that stays open to a session. */
export interface Channel {
  id: string
  /** A page that shows the display, or a reader of events. */
  type: typeof CHANNEL_TYPES[number]
  address: string
  /** The port of the client's end, where no proxy is in front. */
  port?: number
  /** The user of the connection; not set when unknown. */
  user?: string
  /** The id of the link by which the connection was opened. */
  share?: string
  openedAt: Date
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The open connections to sessions, for operators. */
    channels: {
      /** Lists a channel until the returned function is called. Checks the credential at once and then every 2 s; calls `close` when it does not hold. */
      open (sessionId: string, channel: Omit<Channel, 'id' | 'openedAt'>, credential: Credential, close: () => void): () => void
      /** A session's channels, oldest first. */
      of (sessionId: string): Channel[]
      /** All channels to the sessions of which `isMeant` is true. */
      to (isMeant: (sessionId: string) => boolean): Channel[]
      /** Resolves when no channel is open to a session of which `isMeant` is true, or when the signal aborts. */
      closed (isMeant: (sessionId: string) => boolean, signal: AbortSignal): Promise<void>
    }
  }
}

export interface ChannelsOptions {
  /** The time from the end of one check of all credentials to the next. */
  everyMs?: number
}

const CHECK_MS = 2000

async function channels (app: FastifyInstance, { everyMs = CHECK_MS }: ChannelsOptions): Promise<void> {
  const open = new Map<string, Set<Channel>>()
  const credentials = new Map<Channel, { credential: Credential, close: () => void }>()
  const closing = new AbortController()
  const closings = new EventEmitter()

  app.audit.own('channel', () => open.keys())
  app.metrics.own({
    name: 'ex10_channels',
    help: 'Open connections to sessions: pages that show the display (viewer), readers of events (events)',
    type: 'gauge',
    labels: ['type'],
    read: () => CHANNEL_TYPES.map(type => [{ type }, credentials.keys().reduce((count, channel) => channel.type === type ? count + 1 : count, 0)])
  })
  app.decorate('channels', {
    open (sessionId, channel, credential, close) {
      const all = open.get(sessionId) ?? new Set()
      const opened = { ...channel, id: randomBytes(8).toString('hex'), openedAt: new Date() }
      open.set(sessionId, all.add(opened))
      credentials.set(opened, { credential, close })
      check([opened]) // the credential may have ended while the channel was opened
      return () => {
        all.delete(opened)
        credentials.delete(opened)
        if (all.size === 0 && open.get(sessionId) === all) open.delete(sessionId)
        closings.emit('close')
      }
    },
    of: sessionId => [...open.get(sessionId) ?? []],
    to: isMeant => [...open].flatMap(([id, channels]) => isMeant(id) ? [...channels] : []),
    async closed (isMeant, signal) {
      while (!signal.aborted && [...open.keys()].some(isMeant)) await once(closings, 'close', { signal }).catch(() => {})
    }
  } satisfies FastifyInstance['channels'])
  const checking = every(everyMs, () => check(credentials.keys()), closing.signal)
  app.addHook('onClose', async () => {
    closing.abort()
    await checking
  })

  async function check (channels: Iterable<Channel>): Promise<void> {
    for (const channel of channels) {
      try {
        const holds = await credentials.get(channel)?.credential.holds()
        if (holds === false) credentials.get(channel)?.close() // unless it was closed meanwhile
      } catch (err) {
        if (isUnavailable(err)) credentials.get(channel)?.close() // it has not been checked for ten minutes
        else app.log.error({ err, channel: channel.id }, 'credential check failed') // a locked database, say: the next check tries again
      }
    }
  }
}

export default fp(channels, { name: 'channels', dependencies: ['audit', 'metrics'] })
