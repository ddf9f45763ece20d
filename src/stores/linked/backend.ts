import { guardedRecords } from '#domain/storage/guarded-records.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { StoreLink, type StoreLinkOptions } from '#domain/storage/store-link.ts'
import type { Backend } from '#stores/backend.ts'
import { storesOver } from '#stores/records/backend.ts'
import { linkedKeys, linkedLogins, linkedShares } from './access.ts'
import { linkedAuditLog, linkedStatistics } from './operations.ts'

/** A record that each probe writes, since a store that can only be read is of no use. */
const PROBE = { partition: 'probe/store', key: 'probe', value: Buffer.alloc(0), ms: 60_000 }

/** Keeps every store as records of one store on another machine, which `open` opens, and which may be away later. */
export function linkedStores (open: () => Promise<RecordStore>, options: Omit<StoreLinkOptions, 'probe'> = {}): Backend & { link: StoreLink } {
  let records: RecordStore | undefined
  const link = new StoreLink({ ...options, probe: async () => await records?.write(PROBE.partition, [{ key: PROBE.key, value: PROBE.value, expiresAt: new Date(Date.now() + PROBE.ms) }]) })
  const stores = storesOver(async () => {
    records = await open()
    return guardedRecords(records, link)
  })
  return {
    link,
    openKeys: async onUnnoted => linkedKeys(await stores.openKeys(onUnnoted)),
    openLogins: async () => linkedLogins(await stores.openLogins()),
    openShares: async () => linkedShares(await stores.openShares(), link),
    openAuditLog: async () => linkedAuditLog(await stores.openAuditLog(), link),
    openStatistics: async () => linkedStatistics(await stores.openStatistics(), link),
    openRecords: () => stores.openRecords()
  }
}
