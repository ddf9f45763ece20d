import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { ProviderSession } from '#domain/access/login.ts'
import { MAX_SHARES, type NewShare, type Share } from '#domain/access/share.ts'
import { failure } from '#errors.ts'
import { openShares } from '#stores/sqlite/shares.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Links to sessions, for people who do not log in. One that is not in force does not exist. */
    shares: {
      /** Makes a link; its token is told here only. @throws {Ex10Error} EX10_TOO_MANY_SHARES */
      create (share: NewShare): { share: Share, token: string }
      /** The link that holds this token, if there is one. */
      find (token: string): Share | undefined
      isInForce (id: string): boolean
      /** A session's links, oldest first. */
      list (sessionId: string): Share[]
      /** Takes a link of the session out of force, for good. @throws {Ex10Error} EX10_SHARE_NOT_FOUND */
      revoke (sessionId: string, id: string): void
      /** Revokes all links made by logins of this provider session. Returns how many. */
      revokeOf (session: ProviderSession): number
      /** Revokes all links that the user made, except those made with an API key, which end with the key. Returns how many. */
      revokeBy (user: string): number
      /** Calls `hear` with the id of every link that is revoked. */
      onRevoked (hear: (id: string) => void): void
      /** The session has ended, and its links with it. */
      forget (sessionId: string): void
    }
  }
}

async function shares (app: FastifyInstance): Promise<void> {
  const store = openShares(app.instance.folder.shares)
  const live = new Set(app.registry.live().map(({ id }) => id))
  for (const id of store.sessionIds()) if (!live.has(id)) store.forget(id)
  const hearers = new Listeners<[string]>()
  /** Where people have to say who they are, a link is not good that nobody vouches for. */
  const isGood = (share: Share | undefined) => share !== undefined && (share.opener ? app.logins.vouches(share.opener) : app.config.auth === 'none')

  function revoked (ids: string[]): number {
    for (const id of ids) hearers.tell(id)
    return ids.length
  }

  app.addHook('onClose', async () => store.close())

  app.audit.own('share', () => store.sessionIds())
  app.decorate('shares', {
    create (share) {
      if (app.shares.list(share.sessionId).length >= MAX_SHARES) throw failure('TOO_MANY_SHARES')
      return store.create(share)
    },
    find (token) {
      const share = store.find(token)
      return isGood(share) ? share : undefined
    },
    isInForce: id => isGood(store.get(id)),
    list: sessionId => store.list(sessionId).filter(isGood),
    revoke (sessionId, id) {
      if (!store.remove(sessionId, id)) throw failure('SHARE_NOT_FOUND')
      revoked([id])
    },
    revokeOf: session => revoked(store.removeOf(session)),
    revokeBy: user => revoked(store.removeBy(user)),
    onRevoked (hear) {
      hearers.add(hear)
    },
    forget: sessionId => store.forget(sessionId)
  } satisfies FastifyInstance['shares'])
}

export default fp(shares, { name: 'shares', dependencies: ['config', 'instance', 'registry', 'audit', 'logins'] })
