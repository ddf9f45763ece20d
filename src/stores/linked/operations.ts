import { isDeepStrictEqual } from 'node:util'
import type { AuditedDeed } from '#domain/operations/audit-log.ts'
import type { AuditLogStore } from '#domain/operations/audit-log-store.ts'
import type { StatisticsStore } from '#domain/operations/statistics-store.ts'
import type { StoreLink } from '#domain/storage/store-link.ts'

/** The number of newest entries among which one is looked for that may have been added before the connection broke. */
const LOOKED_AT = 20

/** An audit log whose store may be away: entries of that time wait, and are added in their order, with the time of the deed. */
export function linkedAuditLog (store: AuditLogStore, link: StoreLink): AuditLogStore {
  async function isAdded (deed: AuditedDeed, at: Date): Promise<boolean> {
    return (await store.page({ limit: LOOKED_AT })).some(({ seq, hash, ...entry }) => isDeepStrictEqual(entry, { at: at.toISOString(), ...deed }))
  }

  return {
    ...store,
    async append (deed, at = new Date()) {
      let isAgain = false
      await link.later(async () => {
        if (isAgain && await isAdded(deed, at)) return
        isAgain = true
        await store.append(deed, at)
      }, 2 * JSON.stringify(deed).length + 200)
    },
    async close () {
      await link.flush()
      await store.close()
    }
  }
}

/** Counts whose store may be away: those of that time wait. A count may be made twice when the connection breaks in the middle of it. */
export function linkedStatistics (store: StatisticsStore, link: StoreLink): StatisticsStore {
  return {
    ...store,
    count: (what, user, atOnce, now = new Date()) => link.later(() => store.count(what, user, atOnce, now), user.length + 200),
    async close () {
      await link.flush()
      await store.close()
    }
  }
}
