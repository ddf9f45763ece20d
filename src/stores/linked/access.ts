import { isInForce, type ApiKey } from '#domain/access/api-key.ts'
import type { KeyStore } from '#domain/access/key-store.ts'
import type { KeptLogin, LoginStore } from '#domain/access/login-store.ts'
import type { Share } from '#domain/access/share.ts'
import type { ShareStore } from '#domain/access/share-store.ts'
import { hashToken } from '#domain/access/token.ts'
import { LastAnswers } from '#domain/storage/last-answers.ts'
import { isUnavailable, type StoreLink } from '#domain/storage/store-link.ts'

/** Keys of a store that may be away. A key that was in force at the last check stays so for at most ten minutes, and not beyond its end. */
export function linkedKeys (store: KeyStore): KeyStore {
  type Known = Pick<ApiKey, 'id'> & Partial<ApiKey>
  const found = new LastAnswers<ApiKey>()
  const inForce = new LastAnswers<Known>()
  const forget = (id: string) => {
    found.forget(key => key.id === id)
    inForce.forget(key => key.id === id)
  }

  return {
    ...store,
    async find (secret, now = new Date()) {
      const key = await found.ask(hashToken(secret), () => store.find(secret, now), key => isInForce(key, now))
      if (key) inForce.keep(key.id, key)
      return key
    },
    async isInForce (id, now = new Date()) {
      const ask = async () => await store.isInForce(id, now) ? inForce.last(id) ?? { id } : undefined
      return await inForce.ask(id, ask, ({ expiresAt }) => expiresAt === undefined || now < expiresAt) !== undefined
    },
    async revoke (id, now) {
      const key = await store.revoke(id, now)
      forget(id)
      return key
    },
    async remove (id) {
      await store.remove(id)
      forget(id)
    }
  }
}

/** Logins of a store that may be away: one that was open at the last check stays so for at most ten minutes. Its uses in that time are not noted. */
export function linkedLogins (store: LoginStore): LoginStore {
  const logins = new LastAnswers<KeptLogin>()
  const isRight = () => true // the caller checks the time limits of each login

  return {
    ...store,
    find: token => logins.ask(`token ${hashToken(token)}`, () => store.find(token), isRight),
    get: id => logins.ask(`id ${id}`, () => store.get(id), isRight),
    async seen (id, now) {
      await store.seen(id, now).catch(error => { if (!isUnavailable(error)) throw error })
    },
    async remove (token) {
      const removed = await store.remove(token)
      logins.forget(({ id }) => id === removed?.id)
      return removed
    },
    async removeOf (session) {
      const users = await store.removeOf(session)
      logins.forget(({ principal }) => users.includes(principal.user))
      return users
    },
    async removeById (user, id) {
      const isRemoved = await store.removeById(user, id)
      logins.forget(login => login.id === id)
      return isRemoved
    },
    async removeAll (user, butToken) {
      const count = await store.removeAll(user, butToken)
      logins.forget(({ principal }) => principal.user === user)
      return count
    }
  }
}

/** Links of a store that may be away: one that was in force at the last check stays so for at most ten minutes, and not beyond its end. */
export function linkedShares (store: ShareStore, link: StoreLink): ShareStore {
  const shares = new LastAnswers<Share>()
  const isRightAt = (now: Date) => ({ expiresAt }: Share) => now < expiresAt
  const forget = (ids: string[]) => {
    shares.forget(({ id }) => ids.includes(id))
    return ids
  }

  return {
    ...store,
    find: (token, now = new Date()) => shares.ask(`token ${hashToken(token)}`, () => store.find(token, now), isRightAt(now)),
    get: (id, now = new Date()) => shares.ask(`id ${id}`, () => store.get(id, now), isRightAt(now)),
    async remove (sessionId, id) {
      const isRemoved = await store.remove(sessionId, id)
      forget([id])
      return isRemoved
    },
    removeOf: async session => forget(await store.removeOf(session)),
    removeBy: async user => forget(await store.removeBy(user)),
    async forget (sessionId) {
      shares.forget(share => share.sessionId === sessionId)
      await link.later(() => store.forget(sessionId), sessionId.length + 100)
    }
  }
}
