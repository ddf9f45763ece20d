import { createHash } from 'node:crypto'
import type { Turns } from '#domain/concurrency/turns.ts'
import { ChainCheck, readEntry, rolesOf, writeEntry, type Persons } from '#domain/operations/audit-entry.ts'
import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
import type { AuditLogEntry, AuditLogHead, AuditLogStore } from '#domain/operations/audit-log-store.ts'
import type { RecordRange } from '#domain/storage/record-store.ts'
import type { Found, Records } from '#domain/storage/records.ts'
import { pages } from './changes.ts'

interface Kept { text: string, hash: string, persons: Persons }

const PARTITION = 'audit-log/all'
const ENTRIES = 'entry/'
const PAGE = 200

const numbered = (seq: number) => String(seq).padStart(16, '0')
const seqOf = (key: string) => Number(key.split('/').at(-1))
/** The index of the entries with this user, or this target. */
const indexOf = (what: 'user' | 'target', value: string) => `${what}/${createHash('sha256').update(value).digest('hex').slice(0, 32)}/`

/**
 * Keeps the log as records by their numbers. Several servers add to it: an entry's number is taken by one of them, and the
 * others link theirs to it.
 */
export function auditLogIn (records: Records, turns: Turns): Omit<AuditLogStore, 'close'> {
  let last: AuditLogHead | undefined // another server may have added entries since

  async function head (): Promise<AuditLogHead> {
    const [found] = await records.list<Kept>(PARTITION, { prefix: ENTRIES, newestFirst: true, limit: 1 })
    last = found ? { seq: seqOf(found.key), hash: found.value.hash } : { seq: 0, hash: FIRST_LINK }
    return last
  }

  async function append (deed: AuditedDeed, at: Date): Promise<void> {
    const written = writeEntry(deed, at)
    for (let before = last ?? await head(); ; before = await head()) {
      const seq = before.seq + 1
      const hash = linkOf(before.hash, seq, written.text)
      const indexes = [indexOf('user', deed.user), ...deed.target === undefined ? [] : [indexOf('target', deed.target)]]
      const isAdded = await records.write(PARTITION, [
        { key: ENTRIES + numbered(seq), value: { ...written, hash } satisfies Kept, ifRevision: 0 },
        ...indexes.map(index => ({ key: index + numbered(seq), value: null }))
      ])
      if (!isAdded) continue
      last = { seq, hash }
      return
    }
  }

  /** The entries of the range, from one of the indexes, too. */
  async function entriesOf (range: RecordRange): Promise<AuditLogEntry[]> {
    const found = await records.list<Kept | null>(PARTITION, range)
    const entries = await Promise.all(found.map(({ key, value }) => value === null ? records.get<Kept>(PARTITION, ENTRIES + numbered(seqOf(key))) : { key, value }))
    return entries.filter(entry => entry !== undefined).map(entry => toEntry(entry as Found<Kept>))
  }

  async function erase (user: string): Promise<number> {
    let count = 0
    for await (const page of pages<Kept>(records, PARTITION, { prefix: ENTRIES })) {
      for (const { key, value, revision } of page) {
        const roles = rolesOf(user, value)
        if (roles.length === 0) continue
        const persons = Object.fromEntries(Object.entries(value.persons).filter(([role]) => !roles.includes(role as 'actor')))
        const indexes = [indexOf('user', user), indexOf('target', user)].map(index => ({ key: index + numbered(seqOf(key)) }))
        const isWritten = await records.write(PARTITION, [{ key, value: { ...value, persons } satisfies Kept, ifRevision: revision }, ...indexes])
        if (isWritten) count++ // otherwise another server has erased it at the same moment
      }
    }
    return count
  }

  return {
    append: (deed, at = new Date()) => turns.write(['log'], () => append(deed, at)),
    head: () => turns.read('log', head),
    page: ({ before, user, action, target, limit }) => turns.read('log', async () => {
      const prefix = user !== undefined ? indexOf('user', user) : target !== undefined ? indexOf('target', target) : ENTRIES
      const isWanted = (entry: AuditLogEntry) => [[user, entry.user], [action, entry.action], [target, entry.target]].every(([wanted, its]) => wanted === undefined || wanted === its)
      const page: AuditLogEntry[] = []
      for (let after = before === undefined ? undefined : numbered(before); page.length < limit;) {
        const entries = await entriesOf({ prefix, newestFirst: true, limit: PAGE, ...(after !== undefined && { after: prefix + after }) })
        page.push(...entries.filter(isWanted))
        if (entries.length < PAGE) break
        after = numbered(entries.at(-1)!.seq)
      }
      return page.slice(0, limit)
    }),
    async firstBroken (signal) {
      await turns.read('log', async () => {}) // what was added before is there
      const check = new ChainCheck()
      for await (const page of pages<Kept>(records, PARTITION, { prefix: ENTRIES })) {
        signal.throwIfAborted()
        for (const { key, value } of page) {
          if (seqOf(key) < 1) return 0
          check.next({ seq: seqOf(key), ...value })
        }
      }
      signal.throwIfAborted()
      return check.firstBroken()
    },
    erase: user => turns.write(['log'], () => erase(user))
  }
}

function toEntry ({ key, value }: Found<Kept>): AuditLogEntry {
  return readEntry({ seq: seqOf(key), ...value })
}
