import type { KeyStore } from '#domain/access/key-store.ts'
import type { LoginStore } from '#domain/access/login-store.ts'
import type { ShareStore } from '#domain/access/share-store.ts'
import type { AuditLogStore } from '#domain/operations/audit-log-store.ts'
import type { StatisticsStore } from '#domain/operations/statistics-store.ts'

/**
 * What a backend does: it opens each store of an instance, and makes the store where there is none. Each method rejects
 * with StartRefused when the store cannot be used as it is, and leaves it unchanged.
 */
export interface Backend {
  /** `onUnnoted` is told why a use of a key could not be noted. */
  openKeys (onUnnoted?: (error: unknown) => void): Promise<KeyStore>
  openLogins (): Promise<LoginStore>
  openShares (): Promise<ShareStore>
  openAuditLog (): Promise<AuditLogStore>
  openStatistics (): Promise<StatisticsStore>
}
