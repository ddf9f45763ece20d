import { randomBytes } from 'node:crypto'
import { isOfSession } from '#domain/access/login.ts'
import type { Share } from '#domain/access/share.ts'
import type { ShareStore } from '#domain/access/share-store.ts'
import { hashToken, newToken } from '#domain/access/token.ts'

export async function openShares (): Promise<ShareStore> {
  const shares = new Map<string, Readonly<Share>>() // by their tokens' hashes, oldest first

  /** Removes the links for which `fits` is true, and returns their ids. */
  function removeThose (fits: (share: Share) => boolean): string[] {
    const removed = [...shares].filter(([, share]) => fits(share))
    for (const [hash] of removed) shares.delete(hash)
    return removed.map(([, { id }]) => id)
  }

  const inForce = (now: Date) => [...shares.values()].filter(({ expiresAt }) => now < expiresAt)

  return {
    async create (share, { most, uncounted = [] }, now = new Date()) {
      removeThose(({ sessionId, expiresAt }) => sessionId === share.sessionId && expiresAt <= now)
      const counted = inForce(now).filter(({ sessionId, id }) => sessionId === share.sessionId && !uncounted.includes(id))
      if (counted.length >= most) return undefined
      const token = newToken()
      const made: Share = { ...share, id: randomBytes(6).toString('hex'), createdAt: now }
      shares.set(hashToken(token), made)
      return { share: made, token }
    },
    async find (token, now = new Date()) {
      const share = shares.get(hashToken(token))
      return share && now < share.expiresAt ? share : undefined
    },
    get: async (id, now = new Date()) => inForce(now).find(share => share.id === id),
    list: async (sessionId, now = new Date()) => inForce(now).filter(share => share.sessionId === sessionId).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
    remove: async (sessionId, id) => removeThose(share => share.sessionId === sessionId && share.id === id).length > 0,
    removeOf: async session => removeThose(({ opener }) => opener !== undefined && isOfSession(opener, session)),
    removeBy: async user => removeThose(({ createdBy, opener }) => createdBy === user && !(opener && 'keyId' in opener)),
    async forget (sessionId) {
      removeThose(share => share.sessionId === sessionId)
    },
    sessionIds: async () => [...new Set([...shares.values()].map(({ sessionId }) => sessionId))],
    async close () {}
  }
}
