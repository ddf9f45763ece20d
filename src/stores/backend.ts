import type { KeyStore } from '#domain/access/key-store.ts'
import type { LoginStore } from '#domain/access/login-store.ts'
import type { ShareStore } from '#domain/access/share-store.ts'
import type { AuditLogStore } from '#domain/operations/audit-log-store.ts'
import type { StatisticsStore } from '#domain/operations/statistics-store.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import type { StoreLink } from '#domain/storage/store-link.ts'

/**
 * A backend opens each store of an instance, and makes a missing one. Each method rejects with StartRefused when the store
 * cannot be used as it is, and leaves it unchanged.
 */
export interface Backend {
  /** Calls `onUnnoted` with the error when the use of a key could not be written. */
  openKeys (onUnnoted?: (error: unknown) => void): Promise<KeyStore>
  openLogins (): Promise<LoginStore>
  openShares (): Promise<ShareStore>
  openAuditLog (): Promise<AuditLogStore>
  openStatistics (): Promise<StatisticsStore>
  openRecords (): Promise<RecordStore>
}

/** The stores of a server, with the link to them where they are on another machine. */
export interface Stores extends Backend { link?: StoreLink }

/** Copies of stores for a backup, each in one file. */
export interface Copies {
  /** Copies the store in the file `from` into the new file `to`, as it is at one moment, also while other processes write to it. Resolves with false when there is no such store. */
  copy (from: string, to: string): Promise<boolean>
  /** Returns why the file, in a folder of its own, cannot be such a copy, or undefined. */
  whyUnsound (file: string): string | undefined
}
