import type { Backend } from '#stores/backend.ts'
import { openAuditLog } from './audit-log.ts'
import { openKeys } from './keys.ts'
import { openLogins } from './logins.ts'
import { openRecords } from './records.ts'
import { openShares } from './shares.ts'
import { openStatistics } from './statistics.ts'

/** Keeps stores in memory, each new and empty, for tests. They are the smallest possible backend. */
export function memoryStores (): Backend {
  return { openKeys, openLogins, openShares, openAuditLog, openStatistics, openRecords }
}
