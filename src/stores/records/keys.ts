import { isInForce, newSecret, USE_NOTED_MS, type ApiKey } from '#domain/access/api-key.ts'
import type { KeyStore } from '#domain/access/key-store.ts'
import { hashToken } from '#domain/access/token.ts'
import type { Turns } from '#domain/concurrency/turns.ts'
import type { Found, Records } from '#domain/storage/records.ts'
import { change, remove } from './changes.ts'

/** A key as JSON: its times are texts. */
type Kept = Omit<ApiKey, 'createdAt' | 'expiresAt' | 'revokedAt' | 'lastUsedAt'> & { createdAt: string, expiresAt?: string, revokedAt?: string, lastUsedAt?: string }

const PARTITION = 'keys/all'
const ID_LENGTH = 12

/** Keeps keys, by the hashes of their secrets. A key's id is the beginning of its hash, so that each lookup is one read. */
export function keysIn (records: Records, turns: Turns, onUnnoted: (error: unknown) => void = () => {}): Omit<KeyStore, 'close'> {
  async function byId (id: string): Promise<Found<Kept> | undefined> {
    if (!/^[0-9a-f]+$/.test(id) || id.length !== ID_LENGTH) return undefined
    return (await records.list<Kept>(PARTITION, { prefix: id, limit: 1 }))[0]
  }

  async function noteUse ({ key, value, revision }: Found<Kept>, now: Date): Promise<void> {
    try {
      await records.write(PARTITION, [{ key, value: { ...value, lastUsedAt: now }, ifRevision: revision }]) // another server may have noted its use, or revoked it
    } catch (error) {
      onUnnoted(error)
    }
  }

  return {
    create: ({ user, role, scopes, expiresAt }, now = new Date(), secret = newSecret()) => turns.write(['keys'], async () => {
      const hash = hashToken(secret)
      const key: ApiKey = { id: hash.slice(0, ID_LENGTH), user, role, scopes, createdAt: now, ...(expiresAt && { expiresAt }) }
      if (!await records.write(PARTITION, [{ key: hash, value: key, ifRevision: 0 }])) throw new Error('there was a key with this secret')
      return { key, secret }
    }),
    list: () => turns.read('keys', async () => (await records.list<Kept>(PARTITION)).map(({ value }) => toKey(value)).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())),
    revoke: (id, now = new Date()) => turns.write(['keys'], async () => {
      const revoked = await change<Kept>(records, PARTITION, () => byId(id), key => key.revokedAt === undefined ? { ...key, revokedAt: now.toISOString() } : undefined)
      return revoked && toKey(revoked)
    }),
    remove: id => turns.write(['keys'], async () => {
      await remove<Kept>(records, PARTITION, async () => [await byId(id)].filter(found => found !== undefined))
    }),
    find: (secret, now = new Date()) => turns.read('keys', async () => {
      const found = await records.get<Kept>(PARTITION, hashToken(secret))
      const key = found && toKey(found.value)
      if (!key || !isInForce(key, now)) return undefined
      if (now.getTime() - (key.lastUsedAt?.getTime() ?? 0) > USE_NOTED_MS) await noteUse(found, now)
      return key
    }),
    isInForce: (id, now = new Date()) => turns.read('keys', async () => {
      const found = await byId(id)
      return found !== undefined && isInForce(toKey(found.value), now)
    })
  }
}

function toKey ({ createdAt, expiresAt, revokedAt, lastUsedAt, ...key }: Kept): ApiKey {
  return {
    ...key,
    createdAt: new Date(createdAt),
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }),
    ...(revokedAt !== undefined && { revokedAt: new Date(revokedAt) }),
    ...(lastUsedAt !== undefined && { lastUsedAt: new Date(lastUsedAt) })
  }
}
