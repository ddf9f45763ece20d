import { setTimeout as delay } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { snapshotScope } from '#domain/memory/snapshot.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What ended sessions leave in the stores. It goes when nothing holds it any more. */
    leavings: {
      /** Keeps the session's last snapshot beyond its end: until this time, or until it is released. */
      hold (id: string, holder: Holder, until?: Date): Promise<void>
      /** Ends the hold. What an ended session has left then goes, unless something else holds it. */
      release (id: string, holder: Holder): Promise<void>
      /**
       * Deletes what a session left that has ended: all of it, or, while its snapshot is held, all that the snapshot does not need. Never
       * rejects: tries again by itself, also when the stores need more than 5 s, for which it does not wait.
       */
      settle (id: string): Promise<void>
      /** Whether something holds what the session left. When the hold ends, that is looked at again. */
      isHeld (id: string): Promise<boolean>
      /** The sessions of which the stores have something. It looks through the stores. */
      ids (): Promise<Set<string>>
    }
  }
}

/** What a snapshot is held for. */
export type Holder = 'recovery' | 'archive'
interface Hold { until?: string }
const RECOVERY: Holder = 'recovery'

const LOOK_MS = 5000
const WAIT_MS = 5000
const AGAIN_MS = 30_000
const HELD = 'held/'
/** The first words of partitions that belong to one session, and go with it. */
const PARTITIONS = ['snapshots', 'recovery', 'state', 'versions']
const SESSION = /^[0-9a-f]{32}(?=$|\.)/

async function leavings (app: FastifyInstance): Promise<void> {
  const { records, blobs, snapshots, history, sealer } = app
  const partitionOf = (id: string) => `snapshots/${id}`
  /** The times at which leavings are looked at, by session. */
  const due = new Map<string, number>()
  const closing = new AbortController()
  let looking = Promise.resolve()

  app.decorate('leavings', {
    async hold (id, holder, until) {
      await records.write(partitionOf(id), [{ key: HELD + holder, value: { until: until?.toISOString() } satisfies Hold, ...(until && { expiresAt: until }) }])
    },
    async release (id, holder) {
      await records.write(partitionOf(id), [{ key: HELD + holder }])
      const runner = await snapshots.runnerOf(id)
      const isOthers = runner !== undefined && runner.server !== app.leases.own && await app.leases.isAlive(runner.server)
      if (!app.registry.get(id) && !isOthers) await settle(id)
    },
    settle,
    isHeld: async id => lookAfter(id, await holdsOf(id)),
    ids
  } satisfies FastifyInstance['leavings'])
  app.storeLink.onChange(change => { if (change === 'back') for (const id of due.keys()) due.set(id, 0) })
  app.audit.ownInStores('leaving', async () => {
    const all = [...await ids()]
    const held = await Promise.all(all.map(isNeeded))
    return all.filter((_, index) => !held[index])
  })
  app.addHook('onReady', async () => { looking = every(LOOK_MS, look, closing.signal) })
  app.addHook('onClose', async () => {
    closing.abort()
    await looking
  })

  /** Whether the session lives, here or on another server of this store, which may be lost, or something holds what it left. */
  async function isNeeded (id: string): Promise<boolean> {
    if (app.registry.get(id)) return true
    const runner = await snapshots.runnerOf(id)
    return runner?.lostAt !== undefined || (runner !== undefined && await app.leases.isAlive(runner.server)) || (await holdsOf(id)).size > 0
  }

  async function holdsOf (id: string): Promise<Map<string, Hold>> {
    const holds = await records.list<Hold>(partitionOf(id), { prefix: HELD })
    return new Map(holds.map(({ key, value }) => [key.slice(HELD.length), value]))
  }

  async function settle (id: string): Promise<void> {
    due.set(id, Date.now() + AGAIN_MS)
    const work = settleNow(id).catch(err => { if (!isUnavailable(err)) app.log.warn({ err, sessionId: id }, 'leavings of an ended session not deleted') })
    await Promise.race([work, delay(WAIT_MS, undefined, { ref: false })])
  }

  async function settleNow (id: string): Promise<void> {
    await snapshots.stop(id)
    const holds = await holdsOf(id)
    const hasHold = holds.size > 0
    const tree = hasHold ? (await snapshots.last(id))?.tree : undefined
    await Promise.all([history.forget(id, tree === undefined ? [] : [tree]), app.state.forget(id)])
    if (hasHold) {
      await snapshots.disclaim(id)
      if (!holds.has(RECOVERY)) await snapshots.forgetProfile(id) // nothing else needs it
    } else {
      await snapshots.forget(id)
      await Promise.all([...PARTITIONS.map(what => records.drop(`${what}/${id}`)), blobs.drop(id)])
      await Promise.all([id, snapshotScope(id)].map(scope => sealer.forget(scope)))
    }
    lookAfter(id, holds)
  }

  /** Sets the time of the next look to the end of the first hold. Returns whether there is a hold. */
  function lookAfter (id: string, holds: Map<string, Hold>): boolean {
    due.delete(id)
    const ends = [...holds.values()].flatMap(({ until }) => until === undefined ? [] : [Date.parse(until)])
    if (ends.length > 0) due.set(id, Math.min(...ends))
    return holds.size > 0
  }

  async function ids (): Promise<Set<string>> {
    const partitions = await Promise.all(PARTITIONS.map(what => records.partitions(`${what}/`)))
    const named = [...partitions.flat().map(partition => partition.split('/')[1]!), ...await blobs.scopes()]
    return new Set(named.flatMap(name => SESSION.exec(name) ?? []))
  }

  async function look (): Promise<void> {
    const now = Date.now()
    for (const [id, time] of due) {
      if (time <= now) await settle(id)
    }
  }
}

export default fp(leavings, { name: 'leavings', dependencies: ['audit', 'history', 'leases', 'registry', 'snapshots', 'state', 'storage', 'store-link'] })
