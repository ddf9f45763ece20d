import type { Backend } from '#stores/backend.ts'
import { openAuditLog } from './audit-log.ts'
import { openKeys } from './keys.ts'
import { openLogins } from './logins.ts'
import { openRecords } from './records.ts'
import { openShares } from './shares.ts'
import { openStatistics } from './statistics.ts'

/** The paths of the stores' databases. */
export type StoreFiles = Readonly<Record<'keys' | 'logins' | 'shares' | 'auditLog' | 'statistics' | 'records', string>>

/** Keeps stores in SQLite. A database is a file that only root can read; several processes may have it open. */
export function sqliteStores ({ keys, logins, shares, auditLog, statistics, records }: StoreFiles): Backend {
  return {
    openKeys: onUnnoted => openKeys(keys, onUnnoted),
    openLogins: () => openLogins(logins),
    openShares: () => openShares(shares),
    openAuditLog: () => openAuditLog(auditLog),
    openStatistics: () => openStatistics(statistics),
    openRecords: () => openRecords(records)
  }
}
