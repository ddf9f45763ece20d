import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { hashOf, newToken, sessionOf, withoutToken, withToken, type RecoveryPoint } from '#domain/memory/recovery-point.ts'
import type { Snapshot } from '#domain/memory/snapshot.ts'
import type { EndReason } from '#domain/session.ts'
import { userScope } from '#domain/storage/user-scope.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Ended sessions that can be brought back by their users, for EX10_RECOVERY_WINDOW. */
    recovery: {
      /** Whether the server keeps anything for that. */
      readonly isOn: boolean
      /** Makes a recovery point of an ended session. Does nothing without a snapshot of it. */
      offer (snapshot: Snapshot, reason: EndReason, endedAt: Date): Promise<void>
      /** Takes the recovery point back: the session lives, or its snapshot is erased. */
      withdraw (id: string, owner: string): Promise<void>
      /** The user's recovery points, the last ended first. One that cannot be read is logged and left out. */
      list (user: string): Promise<RecoveryPoint[]>
      /** Takes back all recovery points of the user, also those that cannot be read. Resolves with their number. */
      erase (user: string): Promise<number>
      /** A new token of the session's point, if it is this user's; without a user, of anybody's, for its user to use. @throws {Ex10Error} EX10_NOTHING_TO_RECOVER */
      issue (id: string, user?: string): Promise<{ token: string, until: string }>
      /** Uses the token up. @throws {Ex10Error} EX10_NOTHING_TO_RECOVER; EX10_RECOVERING while another request brings the session back */
      claim (user: string, token: string): Promise<Claim>
    }
  }
}

/** A recovery point that one request brings back. `succeeded` or `failed` must follow. */
export interface Claim {
  snapshot: Snapshot
  /** The session is back: its recovery point has served. */
  succeeded (): Promise<void>
  /** The session is not back: the token is valid again. */
  failed (): Promise<void>
}

const POINT = 'point'
/** How often a change is tried again that came between a reading and its write. */
const TRIES = 5

async function recovery (app: FastifyInstance): Promise<void> {
  const { records, snapshots, leavings, leases } = app
  const { recoveryWindow } = app.config
  const partitionOf = (id: string) => `recovery/${id}`
  const indexOf = (user: string) => `recoverable/${userScope(user)}`
  /** The sessions that requests to this server bring back now. */
  const claiming = new Set<string>()
  const isClaimedElsewhere = async ({ claimedBy }: RecoveryPoint) => claimedBy !== undefined && claimedBy !== leases.own && await leases.isAlive(claimedBy)

  app.decorate('recovery', {
    isOn: recoveryWindow > 0,
    async offer (snapshot, reason, endedAt) {
      const { version, tabs, at, profile, session: { id, owner, template } } = snapshot
      const until = new Date(endedAt.getTime() + recoveryWindow * 1000)
      if (recoveryWindow === 0 || until.getTime() <= Date.now()) return
      const known = await find(id)
      const point: RecoveryPoint = { sessionId: id, owner, template, version, tabs: tabs.length, at, endedAt: endedAt.toISOString(), until: until.toISOString(), reason, ...(profile && { profile: profile === 'too-large' ? profile : 'kept' }), tokens: known?.value.tokens ?? [] }
      await leavings.hold(id, 'recovery', until)
      await records.write(partitionOf(id), [{ key: POINT, value: point, expiresAt: until }])
      await records.write(indexOf(owner), [{ key: id, value: {}, expiresAt: until }])
    },
    withdraw,
    async list (user) {
      const points = await Promise.all((await records.keys(indexOf(user))).map(id => find(id).catch(err => {
        if (isUnavailable(err)) throw err
        app.log.warn({ err, sessionId: id }, 'recovery point cannot be read') // it must not hide the others
        return undefined
      })))
      return points.flatMap(point => point && point.value.owner === user ? [point.value] : []).toSorted((a, b) => b.endedAt < a.endedAt ? -1 : 1)
    },
    async erase (user) {
      const ids = await records.keys(indexOf(user))
      for (const id of ids) await withdraw(id, user)
      return ids.length
    },
    async issue (id, user) {
      const token = newToken(id)
      const { until } = await change(id, async point => user === undefined || point.owner === user ? withToken(point, token) : undefined)
      return { token, until }
    },
    async claim (user, token) {
      const id = sessionOf(token)
      if (id === undefined) throw failure('NOTHING_TO_RECOVER')
      if (claiming.has(id)) throw failure(isToken((await find(id))?.value, user, token) ? 'RECOVERING' : 'NOTHING_TO_RECOVER')
      claiming.add(id)
      const over = () => { claiming.delete(id) }
      try {
        const { owner } = await change(id, async point => {
          if (!isToken(point, user, token)) return undefined
          if (await isClaimedElsewhere(point)) throw failure('RECOVERING')
          return { ...withoutToken(point, token), claimedBy: leases.own }
        })
        const snapshot = await snapshots.last(id)
        if (!snapshot) throw failure('NOTHING_TO_RECOVER')
        return {
          snapshot,
          succeeded: () => withdraw(id, owner).finally(over),
          failed: () => change(id, async ({ claimedBy, ...point }) => withToken(point, token)).then(() => {}).finally(over)
        }
      } catch (error) {
        over()
        throw error
      }
    }
  } satisfies FastifyInstance['recovery'])

  /** Whether this user may use the token for the point. */
  function isToken (point: RecoveryPoint | undefined, user: string, token: string): boolean {
    return point !== undefined && point.owner === user && point.tokens.includes(hashOf(token))
  }

  async function find (id: string) {
    return await records.get<RecoveryPoint>(partitionOf(id), POINT)
  }

  async function withdraw (id: string, owner: string): Promise<void> {
    await records.write(partitionOf(id), [{ key: POINT }])
    await records.write(indexOf(owner), [{ key: id }])
    await leavings.release(id, 'recovery')
  }

  /** Makes the change of a point in one write. @throws {Ex10Error} EX10_NOTHING_TO_RECOVER without a point, or when `next` gives none; the error of `next` */
  async function change (id: string, next: (point: RecoveryPoint) => Promise<RecoveryPoint | undefined>): Promise<RecoveryPoint> {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await find(id)
      const point = found && await next(found.value)
      if (!point) throw failure('NOTHING_TO_RECOVER')
      if (await records.write(partitionOf(id), [{ key: POINT, value: point, ifRevision: found.revision, expiresAt: new Date(point.until) }])) return point
    }
    throw failure('RECOVERING')
  }
}

export default fp(recovery, { name: 'recovery', dependencies: ['config', 'leases', 'leavings', 'snapshots', 'storage'] })
