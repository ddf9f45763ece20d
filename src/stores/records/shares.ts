import { isOfSession } from '#domain/access/login.ts'
import type { NewShare, Share } from '#domain/access/share.ts'
import type { ShareLimit, ShareStore } from '#domain/access/share-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'
import type { Turns } from '#domain/concurrency/turns.ts'
import type { Found, Records } from '#domain/storage/records.ts'
import { pages, remove } from './changes.ts'

/** A link as JSON: its times are texts. `number` counts the session's links, also those that have ended. */
type Kept = Omit<Share, 'createdAt' | 'expiresAt'> & { createdAt: string, expiresAt: string, number: number }

const PARTITION = 'shares/all'
const ID = /^[0-9a-f]{12}$/

const tokenKey = (hash: string) => `token/${hash}`
const sessionKey = (sessionId: string, hash: string) => `session/${encodeURIComponent(sessionId)}/${hash}`
/** Its revision counts the session's links: two servers do not make one at the same time, and exceed the limit. */
const countKey = (sessionId: string) => `made/${encodeURIComponent(sessionId)}`
const copyOf = ({ key, value: { sessionId } }: Found<Kept>) => {
  const hash = key.split('/').at(-1)!
  return [tokenKey(hash), sessionKey(sessionId, hash)].filter(other => other !== key)
}

/**
 * Keeps links by the hashes of their tokens, and a copy of each with its session's others. A link's id is the beginning of its hash, so
 * that each lookup is one read.
 */
export function sharesIn (records: Records, turns: Turns): Omit<ShareStore, 'close'> {
  const inTurn = <Result>(work: () => Promise<Result>) => turns.write(['shares'], work)
  const besides = <Result>(work: () => Promise<Result>) => turns.read('shares', work)

  async function byId (id: string): Promise<Found<Kept>[]> {
    return ID.test(id) ? await records.list<Kept>(PARTITION, { prefix: tokenKey(id), limit: 1 }) : []
  }

  /** A session's links, oldest first. */
  async function bySession (sessionId: string): Promise<Found<Kept>[]> {
    return oldestFirst(await records.list<Kept>(PARTITION, { prefix: sessionKey(sessionId, '') }))
  }

  async function those (fits: (share: Share) => boolean): Promise<Found<Kept>[]> {
    const found = []
    for await (const page of pages<Kept>(records, PARTITION, { prefix: tokenKey('') })) found.push(...page.filter(({ value }) => fits(toShare(value))))
    return oldestFirst(found)
  }

  async function end (find: () => Promise<Found<Kept>[]>): Promise<string[]> {
    return (await remove(records, PARTITION, find, copyOf)).map(({ value }) => value.id)
  }

  async function make ({ sessionId, mode, createdBy, expiresAt, opener }: NewShare, { most, uncounted = [] }: ShareLimit, now: Date): Promise<{ share: Share, token: string } | undefined> {
    const token = newToken()
    const hash = hashToken(token)
    const share: Share = { id: hash.slice(0, 12), sessionId, mode, createdBy, createdAt: now, expiresAt, opener }
    const end = { expiresAt: new Date(Date.now() + expiresAt.getTime() - now.getTime()) } // the store's clock ends it, too
    for (;;) {
      const count = (await records.get(PARTITION, countKey(sessionId)))?.revision ?? 0
      const counted = (await bySession(sessionId)).filter(({ value }) => isGood(value, now) && !uncounted.includes(value.id))
      if (counted.length >= most) return undefined
      const isMade = await records.write(PARTITION, [
        { key: countKey(sessionId), value: null, ifRevision: count, ...end },
        ...[tokenKey(hash), sessionKey(sessionId, hash)].map(key => ({ key, value: { ...share, number: count }, ...end }))
      ])
      if (isMade) return { share, token }
    }
  }

  return {
    create: (share, limit, now = new Date()) => inTurn(async () => {
      await end(async () => (await bySession(share.sessionId)).filter(({ value }) => !isGood(value, now)))
      return await make(share, limit, now)
    }),
    find: (token, now = new Date()) => besides(async () => {
      const found = await records.get<Kept>(PARTITION, tokenKey(hashToken(token)))
      return found && isGood(found.value, now) ? toShare(found.value) : undefined
    }),
    get: (id, now = new Date()) => besides(async () => (await byId(id)).filter(({ value }) => isGood(value, now)).map(({ value }) => toShare(value))[0]),
    list: (sessionId, now = new Date()) => besides(async () => (await bySession(sessionId)).filter(({ value }) => isGood(value, now)).map(({ value }) => toShare(value))),
    remove: (sessionId, id) => inTurn(async () => (await end(async () => (await byId(id)).filter(({ value }) => value.sessionId === sessionId))).length > 0),
    removeOf: session => inTurn(() => end(() => those(({ opener }) => opener !== undefined && isOfSession(opener, session)))),
    removeBy: user => inTurn(() => end(() => those(({ createdBy, opener }) => createdBy === user && !(opener && 'keyId' in opener)))),
    forget: sessionId => inTurn(async () => {
      await end(() => bySession(sessionId))
      await records.write(PARTITION, [{ key: countKey(sessionId) }])
    }),
    sessionIds: () => besides(async () => {
      const ids = new Set<string>()
      for await (const page of pages<Kept>(records, PARTITION, { prefix: 'session/' })) for (const { value } of page) ids.add(value.sessionId)
      return [...ids]
    })
  }
}

function oldestFirst (found: Found<Kept>[]): Found<Kept>[] {
  return found.sort(({ value: a }, { value: b }) => a.createdAt === b.createdAt ? a.number - b.number : a.createdAt < b.createdAt ? -1 : 1)
}

function isGood ({ expiresAt }: Kept, now: Date): boolean {
  return now < new Date(expiresAt)
}

function toShare ({ opener, number, ...share }: Kept): Share {
  return { ...share, createdAt: new Date(share.createdAt), expiresAt: new Date(share.expiresAt), opener }
}
