import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import type { SessionFacts } from '#domain/session.ts'
import { isGone, TrafficCounters, type Traffic } from '#system/firewall/traffic-counters.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The traffic of sessions with other machines. */
    networkUsage: {
      /** Whether it is counted. It is not with EX10_TRACKING=0, nor where the firewall is iptables. */
      isCounted: boolean
      /** The traffic of the uids that have had any, from the kernel's counters. Calls at the same time share a reading. */
      read (): Promise<ReadonlyMap<number, Traffic>>
      /** Removes the session's counters, soon. Call it when its processes are gone: the next session with its uid begins at 0. */
      forget (facts: SessionFacts): void
    }
  }
}

async function networkUsage (app: FastifyInstance): Promise<void> {
  const log = app.log.child({ plugin: 'network-usage' })
  const counters = new TrafficCounters(app.config)
  const isCounted = app.config.tracking && app.firewall.backend === 'nftables' && await begin()
  const gone = new Set<number>()
  let reading: Promise<ReadonlyMap<number, Traffic>> | undefined
  const forgetGone = coalesce(async () => {
    const uids = [...gone]
    await counters.forget(uids).catch(err => { if (!isGone(err)) throw err })
    for (const uid of uids) gone.delete(uid)
  })

  app.audit.own('traffic counter', async () => {
    const names = new Map(app.registry.live().map(({ account, id }) => [account.uid, id]))
    return [...(isCounted ? await read() : new Map()).keys()].map(uid => names.get(uid) ?? `uid ${uid}`)
  })
  app.decorate('networkUsage', {
    isCounted,
    read: async () => isCounted ? await read() : new Map(),
    forget ({ account: { uid } }) {
      if (!isCounted) return
      gone.add(uid)
      forgetGone().catch(err => log.warn({ err }, 'traffic counters not removed'))
    }
  } satisfies FastifyInstance['networkUsage'])
  app.addHook('onClose', async () => {
    if (!isCounted || app.registry.live().length > 0) return
    await counters.close().catch(err => log.warn({ err }, 'traffic counters not removed'))
  })

  /** Traffic is counted as well as it can be: without counters, sessions are made all the same. */
  async function begin (): Promise<boolean> {
    try {
      await counters.open()
      const live = new Set(app.registry.live().map(({ account }) => account.uid))
      await counters.forget([...(await counters.read()).keys()].filter(uid => !live.has(uid)))
      return true
    } catch (err) {
      log.warn({ err }, 'traffic is not counted: nft refuses the counters')
      return false
    }
  }

  function read (): Promise<ReadonlyMap<number, Traffic>> {
    reading ??= counters.read().catch(restored).finally(() => { reading = undefined })
    return reading
  }

  /** Another program has deleted the table: counts again from 0. */
  async function restored (err: unknown): Promise<ReadonlyMap<number, Traffic>> {
    if (!isGone(err)) throw err
    log.warn('traffic counters were deleted: counting again from 0')
    await counters.open()
    return new Map()
  }
}

export default fp(networkUsage, { name: 'network-usage', dependencies: ['config', 'audit', 'firewall', 'registry'] })
