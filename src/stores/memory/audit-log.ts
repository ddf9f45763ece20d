import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
import type { AuditLogHead, AuditLogStore } from '#domain/operations/audit-log-store.ts'

export async function openAuditLog (): Promise<AuditLogStore> {
  const entries: { seq: number, text: string, hash: string }[] = []

  function head (): AuditLogHead {
    const { seq, hash } = entries.at(-1) ?? { seq: 0, hash: FIRST_LINK }
    return { seq, hash }
  }

  return {
    head: async () => head(),
    async append (deed, at = new Date()) {
      const text = JSON.stringify({ at: at.toISOString(), ...deed })
      const last = head()
      entries.push({ seq: last.seq + 1, text, hash: linkOf(last.hash, last.seq + 1, text) })
    },
    async page ({ before = Infinity, user, action, target, limit }) {
      const wanted = Object.entries({ user, action, target }).filter(([, value]) => value !== undefined)
      return entries.filter(({ seq }) => seq < before).reverse()
        .map(({ seq, text, hash }) => ({ seq, ...JSON.parse(text) as AuditedDeed & { at: string }, hash }))
        .filter(entry => wanted.every(([name, value]) => entry[name as 'user'] === value))
        .slice(0, limit)
    },
    async firstBroken (signal) {
      signal.throwIfAborted()
      const index = entries.findIndex(({ seq, text, hash }, i) => hash !== linkOf(entries[i - 1]?.hash ?? FIRST_LINK, seq, text))
      return entries[index]?.seq
    },
    async close () {}
  }
}
