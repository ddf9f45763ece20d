import { isOfSession, loginIdOf } from '#domain/access/login.ts'
import { MOST_LOGINS, type KeptLogin, type LoginStore } from '#domain/access/login-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'

export async function openLogins (): Promise<LoginStore> {
  const logins = new Map<string, KeptLogin>() // by their tokens' hashes, oldest first

  /** Removes the logins for which `fits` is true, and returns them. */
  function removeThose (fits: (login: KeptLogin, hash: string) => boolean): KeptLogin[] {
    const removed = [...logins].filter(([hash, login]) => fits(login, hash))
    for (const [hash] of removed) logins.delete(hash)
    return removed.map(([, login]) => login)
  }

  function listOf (user: string): KeptLogin[] {
    const newestFirst = [...logins.values()].filter(({ principal }) => principal.user === user).reverse()
    return newestFirst.sort((a, b) => b.seenAt.getTime() - a.seenAt.getTime())
  }

  const byId = (id: string) => [...logins.values()].find(login => login.id === id)

  return {
    async create (login) {
      const token = newToken()
      const hash = hashToken(token)
      const tooMany = listOf(login.principal.user).slice(MOST_LOGINS - 1).map(({ id }) => id)
      removeThose(({ id }) => tooMany.includes(id))
      logins.set(hash, { ...login, id: loginIdOf(hash), seenAt: login.createdAt })
      return token
    },
    find: async token => copyOf(logins.get(hashToken(token))),
    get: async id => copyOf(byId(id)),
    async seen (id, now) {
      const login = byId(id)
      if (login && now > login.seenAt) login.seenAt = now
    },
    remove: async token => removeThose((_, hash) => hash === hashToken(token))[0],
    removeOf: async session => removeThose(login => isOfSession(login, session)).map(({ principal }) => principal.user),
    list: async user => listOf(user).map(login => ({ ...login })),
    removeById: async (user, id) => removeThose(login => login.id === id && login.principal.user === user).length > 0,
    async removeAll (user, butToken) {
      const kept = butToken && hashToken(butToken)
      return removeThose(({ principal }, hash) => principal.user === user && hash !== kept).length
    },
    async prune (createdBefore, seenBefore) {
      removeThose(({ createdAt, seenAt }) => createdAt < createdBefore || seenAt < seenBefore)
    },
    async close () {}
  }
}

function copyOf (login: KeptLogin | undefined): KeptLogin | undefined {
  return login && { ...login }
}
