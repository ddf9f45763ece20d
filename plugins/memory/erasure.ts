import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { analyticsOf } from '#domain/operations/ended-sessions.ts'
import { LOCAL_USER, RESERVED_USERS } from '#domain/principal.ts'
import { userScope } from '#domain/storage/user-scope.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Erases what is kept of a user beyond the lives of sessions. */
    erasure: {
      /** Adds a kind of things. `erase` resolves with the number of what it erased. */
      add (kind: string, erase: (user: string) => Promise<number>): void
      /**
       * Erases everything of the user, and resolves with how much of each kind, and with the kinds that failed: call it again for those.
       * @throws {Ex10Error} EX10_BAD_REQUEST for a name of the server's own, EX10_USER_HAS_SESSIONS
       */
      erase (user: string): Promise<Erased>
    }
  }
}

export interface Erased { erased: Record<string, number>, failed: string[] }

async function erasure (app: FastifyInstance): Promise<void> {
  const kinds = new Map<string, (user: string) => Promise<number>>([
    ['recoveryPoints', user => app.recovery.erase(user)],
    ['preferences', erasePreferences],
    ['analytics', eraseAnalytics],
    ['statistics', user => app.statistics.forget({ user })],
    ['auditLog', user => app.auditLog.erase(user)]
  ])

  app.decorate('erasure', {
    add (kind, erase) { kinds.set(kind, erase) },
    async erase (user) {
      if (user !== LOCAL_USER && RESERVED_USERS.includes(user)) throw failure('BAD_REQUEST', { message: `${user} is no user` })
      const isTheirs = ({ owner }: { owner: string }) => owner === user
      if (app.registry.live().some(isTheirs) || app.places.waiting.some(isTheirs)) throw failure('USER_HAS_SESSIONS')
      const outcomes = await Promise.all([...kinds].map(async ([kind, erase]) => {
        try {
          return { kind, count: await erase(user) }
        } catch (err) {
          app.log.error({ err, kind }, 'data of a user not erased')
          return { kind, count: undefined }
        }
      }))
      const failed = outcomes.filter(({ count }) => count === undefined).map(({ kind }) => kind)
      if (failed.length === 0) await app.sealer.forget(userScope(user)) // what a copy of the store still has can no longer be read
      return { erased: Object.fromEntries(outcomes.filter(({ count }) => count !== undefined).map(({ kind, count }) => [kind, count!])), failed }
    }
  } satisfies FastifyInstance['erasure'])

  /** They count as one, with all of their versions. */
  async function erasePreferences (user: string): Promise<number> {
    const [any] = await app.records.keys(`preferences/${userScope(user)}`, { limit: 1 })
    await app.state.forgetUser(user)
    return any === undefined ? 0 : 1
  }

  /** The summaries of the user's sessions stay without the user and the sessions' ids, so that sums over all sessions stay right. */
  async function eraseAnalytics (user: string): Promise<number> {
    await app.analytics.save()
    const { index } = app.summaries
    const all = await app.records.keys(analyticsOf(user))
    for (const id of await index.idsOf(user)) {
      const found = await index.find(id)
      if (found) await index.disown(id, { ...found.value, owner: undefined })
    }
    await app.records.drop(analyticsOf(user))
    return all.length
  }
}

export default fp(erasure, { name: 'erasure', dependencies: ['analytics', 'audit-log', 'places', 'recovery', 'registry', 'state', 'statistics', 'storage', 'summaries'] })
