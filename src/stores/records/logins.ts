import { createHash } from 'node:crypto'
import { isLoginId, isOfSession, loginIdOf, type Login, type Opener } from '#domain/access/login.ts'
import { MOST_LOGINS, type KeptLogin, type LoginStore } from '#domain/access/login-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'
import type { Turns } from '#domain/concurrency/turns.ts'
import type { Found, Records } from '#domain/storage/records.ts'
import { change, pages, remove } from './changes.ts'

/** A login as JSON: its times are texts. `number` counts the user's logins, also those that have ended. */
type Kept = Omit<KeptLogin, 'createdAt' | 'seenAt'> & Opener & { createdAt: string, seenAt: string, number: number }

const PARTITION = 'logins/all'

const tokenKey = (hash: string) => `token/${hash}`
const userKey = (user: string, hash: string) => `user/${createHash('sha256').update(user).digest('hex')}/${hash}`
/** Its revision counts the user's logins: two servers do not begin one at the same time, and exceed the limit. */
const countKey = (user: string) => userKey(user, '').replace(/^user/, 'begun')
/** The two places of a login. */
const keysOf = ({ key, value: { principal } }: Found<Kept>) => {
  const hash = key.split('/').at(-1)!
  return [tokenKey(hash), userKey(principal.user, hash)]
}
const copyOf = (login: Found<Kept>) => keysOf(login).filter(key => key !== login.key)

/**
 * Keeps logins by the hashes of their tokens, and a copy of each with its user's others. A login's id is the beginning of its hash, so
 * that each lookup is one read.
 */
export function loginsIn (records: Records, turns: Turns): Omit<LoginStore, 'close'> {
  const inTurn = <Result>(work: () => Promise<Result>) => turns.write(['logins'], work)
  const besides = <Result>(work: () => Promise<Result>) => turns.read('logins', work)

  async function byId (id: string): Promise<Found<Kept>[]> {
    return isLoginId(id) ? await records.list<Kept>(PARTITION, { prefix: tokenKey(id), limit: 1 }) : []
  }

  async function byToken (token: string): Promise<Found<Kept>[]> {
    const found = await records.get<Kept>(PARTITION, tokenKey(hashToken(token)))
    return found ? [found] : []
  }

  /** A user's logins, the most recently used one first. */
  async function byUser (user: string): Promise<Found<Kept>[]> {
    const found = await records.list<Kept>(PARTITION, { prefix: userKey(user, '') })
    return found.sort(({ value: a }, { value: b }) => b.seenAt === a.seenAt ? b.number - a.number : b.seenAt < a.seenAt ? -1 : 1)
  }

  async function those (fits: (login: KeptLogin) => boolean): Promise<Found<Kept>[]> {
    const found = []
    for await (const page of pages<Kept>(records, PARTITION, { prefix: tokenKey('') })) found.push(...page.filter(login => fits(toLogin(login))))
    return found
  }

  async function end (find: () => Promise<Found<Kept>[]>): Promise<KeptLogin[]> {
    return (await remove(records, PARTITION, find, copyOf)).map(toLogin)
  }

  async function begin (hash: string, login: Login): Promise<void> {
    const { user } = login.principal
    for (;;) {
      const count = (await records.get(PARTITION, countKey(user)))?.revision ?? 0
      const ended = (await byUser(user)).slice(MOST_LOGINS - 1)
      const value = { ...login, id: loginIdOf(hash), seenAt: login.createdAt, number: count }
      const isBegun = await records.write(PARTITION, [
        { key: countKey(user), value: null, ifRevision: count },
        ...[tokenKey(hash), userKey(user, hash)].map(key => ({ key, value })),
        ...ended.flatMap(keysOf).map(key => ({ key }))
      ])
      if (isBegun) return
    }
  }

  return {
    create: login => inTurn(async () => {
      const token = newToken()
      await begin(hashToken(token), login)
      return token
    }),
    find: token => besides(async () => (await byToken(token)).map(toLogin)[0]),
    get: id => besides(async () => (await byId(id)).map(toLogin)[0]),
    seen: (id, now) => inTurn(async () => {
      await change<Kept>(records, PARTITION, async () => (await byId(id))[0], login => now > new Date(login.seenAt) ? { ...login, seenAt: now.toISOString() } : undefined, copyOf)
    }),
    remove: token => inTurn(async () => (await end(() => byToken(token)))[0]),
    removeOf: session => inTurn(async () => (await end(() => those(login => isOfSession(login, session)))).map(({ principal }) => principal.user)),
    list: user => besides(async () => (await byUser(user)).map(toLogin)),
    removeById: (user, id) => inTurn(async () => (await end(async () => (await byId(id)).filter(({ value }) => value.principal.user === user))).length > 0),
    removeAll: (user, butToken) => inTurn(async () => {
      const kept = butToken === undefined ? '' : tokenKey(hashToken(butToken))
      return (await end(async () => (await byUser(user)).filter(login => !keysOf(login).includes(kept)))).length
    }),
    prune: (createdBefore, seenBefore) => inTurn(async () => {
      await end(() => those(({ createdAt, seenAt }) => createdAt < createdBefore || seenAt < seenBefore))
    })
  }
}

function toLogin ({ value: { number, ...login } }: Found<Kept>): KeptLogin {
  return { ...login, createdAt: new Date(login.createdAt), seenAt: new Date(login.seenAt) }
}
