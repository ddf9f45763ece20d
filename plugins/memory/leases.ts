import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Tells the servers that share a store of each other: a session belongs to the server that runs it. */
    leases: {
      /** Names this server, from its start to its end. */
      readonly own: string
      /** Whether the server runs, or ran until a few seconds ago. */
      isAlive (server: string): Promise<boolean>
      /** The time after which a server that has ended is no longer taken for alive. */
      readonly ms: number
    }
  }
}

const PARTITION = 'servers/leases'
const LEASE_MS = 15_000
const RENEW_MS = 5000

async function leases (app: FastifyInstance): Promise<void> {
  const own = randomUUID()
  const closing = new AbortController()
  const renew = async () => { await app.records.write(PARTITION, [{ key: own, value: {}, expiresAt: new Date(Date.now() + LEASE_MS) }]) }
  let renewing = Promise.resolve()

  app.decorate('leases', {
    own,
    ms: LEASE_MS,
    isAlive: async server => server === own || await app.records.get(PARTITION, server) !== undefined
  } satisfies FastifyInstance['leases'])
  app.addHook('onReady', async () => {
    await renew()
    renewing = every(RENEW_MS, () => renew().catch(err => { if (!isUnavailable(err)) app.log.warn({ err }, 'lease not renewed') }), closing.signal)
  })
  app.addHook('onClose', async () => {
    closing.abort()
    await renewing
    await app.records.write(PARTITION, [{ key: own }]).catch(err => app.log.warn({ err }, 'lease not given back'))
  })
}

export default fp(leases, { name: 'leases', dependencies: ['storage'] })
