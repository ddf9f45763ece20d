import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { ProviderSession } from '#domain/access/login.ts'
import { MAX_SHARES, type NewShare, type Share } from '#domain/access/share.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import { failure } from '#errors.ts'
import { isShared } from '#stores/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Links to sessions, for people without a login. A link that is not in force counts as missing. */
    shares: {
      /** Makes a link. Only this call returns its token. @throws {Ex10Error} EX10_TOO_MANY_SHARES */
      create (share: NewShare): Promise<{ share: Share, token: string }>
      /** The link with this token, if it is in force. */
      find (token: string): Promise<Share | undefined>
      isInForce (id: string): Promise<boolean>
      /** A session's links, oldest first. */
      list (sessionId: string): Promise<Share[]>
      /** Revokes a link of the session. @throws {Ex10Error} EX10_SHARE_NOT_FOUND */
      revoke (sessionId: string, id: string): Promise<void>
      /** Revokes all links made by logins of this provider session. Returns how many. */
      revokeOf (session: ProviderSession): Promise<number>
      /** Revokes all links that the user made, except those made with an API key, which end with the key. Returns how many. */
      revokeBy (user: string): Promise<number>
      /** Calls `listener` with the id of every link that is revoked. */
      onRevoked (listener: (id: string) => void): void
      /** Removes the links of a session that has ended, including a link that is being made at this moment. */
      forget (sessionId: string): Promise<void>
    }
  }
}

async function shares (app: FastifyInstance): Promise<void> {
  const store = await app.instance.stores.openShares()
  app.addHook('onClose', () => store.close())
  const live = new Set(app.registry.live().map(({ id }) => id))
  for (const id of await ownIds()) if (!live.has(id)) await store.forget(id)
  const listeners = new Listeners<[string]>()
  /** A link with an opener is in force while its opener vouches for it. A link without one is in force only with EX10_AUTH=none. */
  const isGood = async (share: Share | undefined) => share !== undefined && (share.opener ? await app.logins.vouches(share.opener) : app.config.auth === 'none')
  const inTurn = newQueue()

  app.audit.own('share', ownIds)
  app.decorate('shares', {
    create: share => inTurn(async () => {
      const uncounted = (await listed(share.sessionId)).filter(({ isGood }) => !isGood).map(({ share }) => share.id)
      const made = await store.create(share, { most: MAX_SHARES, uncounted })
      if (!made) throw failure('TOO_MANY_SHARES')
      return made
    }),
    async find (token) {
      const share = await store.find(token)
      return await isGood(share) ? share : undefined
    },
    isInForce: async id => await isGood(await store.get(id)),
    list: async sessionId => (await listed(sessionId)).filter(({ isGood }) => isGood).map(({ share }) => share),
    async revoke (sessionId, id) {
      if (!await store.remove(sessionId, id)) throw failure('SHARE_NOT_FOUND')
      revoked([id])
    },
    revokeOf: async session => revoked(await store.removeOf(session)),
    revokeBy: async user => revoked(await store.removeBy(user)),
    onRevoked (listener) {
      listeners.add(listener)
    },
    forget: sessionId => inTurn(() => store.forget(sessionId))
  } satisfies FastifyInstance['shares'])

  /** The sessions of this server that have links. In stores that servers share, those that its registry knows; links of lost servers end by themselves. */
  async function ownIds (): Promise<string[]> {
    const ids = await store.sessionIds()
    if (!isShared(app.config.store)) return ids
    const known = await Promise.all(ids.map(async id => await app.registry.find(id) !== undefined))
    return ids.filter((_, index) => known[index])
  }

  async function listed (sessionId: string): Promise<{ share: Share, isGood: boolean }[]> {
    return await Promise.all((await store.list(sessionId)).map(async share => ({ share, isGood: await isGood(share) })))
  }

  function revoked (ids: string[]): number {
    for (const id of ids) listeners.tell(id)
    return ids.length
  }
}

export default fp(shares, { name: 'shares', dependencies: ['config', 'instance', 'registry', 'audit', 'logins'] })
