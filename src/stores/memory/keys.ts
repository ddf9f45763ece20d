import { randomBytes } from 'node:crypto'
import { isInForce, newSecret, USE_NOTED_MS, type ApiKey } from '#domain/access/api-key.ts'
import type { KeyStore } from '#domain/access/key-store.ts'
import { hashToken } from '#domain/access/token.ts'

export async function openKeys (): Promise<KeyStore> {
  const keys = new Map<string, { hash: string, key: ApiKey }>()

  return {
    async create ({ user, role, scopes, expiresAt }, now = new Date(), secret = newSecret()) {
      if ([...keys.values()].some(({ hash }) => hash === hashToken(secret))) throw new Error('there was a key with this secret')
      const key: ApiKey = { id: randomBytes(6).toString('hex'), user, role, scopes, createdAt: now, ...(expiresAt && { expiresAt }) }
      keys.set(key.id, { hash: hashToken(secret), key })
      return { key: { ...key }, secret }
    },
    list: async () => [...keys.values()].map(({ key }) => ({ ...key })).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
    async revoke (id, now = new Date()) {
      const key = keys.get(id)?.key
      if (!key) return undefined
      key.revokedAt ??= now
      return { ...key }
    },
    async remove (id) {
      keys.delete(id)
    },
    async find (secret, now = new Date()) {
      const hash = hashToken(secret)
      const key = [...keys.values()].find(kept => kept.hash === hash)?.key
      if (!key || !isInForce(key, now)) return undefined
      const found = { ...key }
      if (now.getTime() - (key.lastUsedAt?.getTime() ?? 0) > USE_NOTED_MS) key.lastUsedAt = now
      return found
    },
    async isInForce (id, now = new Date()) {
      const kept = keys.get(id)
      return kept !== undefined && isInForce(kept.key, now)
    },
    async close () {}
  }
}
