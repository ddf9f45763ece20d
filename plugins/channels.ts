import { randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'

/** A connection that stays open to a session. */
export interface Channel {
  id: string
  /** A page that shows the display, or a reader of events. */
  type: 'viewer' | 'events'
  address: string
  /** Who, where it is known. */
  user?: string
  openedAt: Date
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Who is connected to which session, for operators to see. */
    channels: {
      /** Knows of a channel until the returned function is called. */
      open (sessionId: string, channel: Omit<Channel, 'id' | 'openedAt'>): () => void
      /** Those of a session, oldest first. */
      of (sessionId: string): Channel[]
    }
  }
}

async function channels (app: FastifyInstance): Promise<void> {
  const open = new Map<string, Set<Channel>>()

  app.audit.own('channel', () => open.keys())
  app.decorate('channels', {
    open (sessionId, channel) {
      const all = open.get(sessionId) ?? new Set()
      const opened = { ...channel, id: randomBytes(8).toString('hex'), openedAt: new Date() }
      open.set(sessionId, all.add(opened))
      return () => {
        all.delete(opened)
        if (all.size === 0 && open.get(sessionId) === all) open.delete(sessionId)
      }
    },
    of: sessionId => [...open.get(sessionId) ?? []]
  } satisfies FastifyInstance['channels'])
}

export default fp(channels, { name: 'channels', dependencies: ['audit'] })
