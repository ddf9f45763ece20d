/** One record as it is kept. `revision` counts its writes from 1; it begins again when the record was deleted. */
export interface StoredRecord { key: string, value: Buffer, revision: number }

/** One change of a partition: a record's new value, or, without a value, its deletion. */
export interface RecordChange {
  key: string
  value?: Buffer | undefined
  /** The record's revision that the change expects; 0 means that there is no such record. Without it, the change is made in any case. */
  ifRevision?: number | undefined
  /** The record ends by itself at this time, and cannot be read from then on. A write without it gives the record no end. */
  expiresAt?: Date | undefined
}

/** The records of a partition that are wanted, in the order of their keys' UTF-8 bytes. */
export interface RecordRange {
  /** Only keys that begin with this. */
  prefix?: string | undefined
  /** Only keys behind this one; with `newestFirst`, before it. */
  after?: string | undefined
  limit?: number | undefined
  /** From the last key to the first. */
  newestFirst?: boolean | undefined
}

/**
 * Keeps small records (at most 1 MiB each) of an instance, in partitions such as `state/<session>`. The records of one
 * partition are written together, all or none; a partition is the unit that a cluster may put on a node of its own.
 *
 * Partitions have two or more words with `/` between them. Partitions and keys are any text of 1 to 512 bytes without
 * control characters.
 *
 * Methods may be called until `close`, and the calls for one partition take effect in their order, whether or not the caller
 * waits. A change whose promise has resolved is there for the next server, as far as the backend promises that. Each
 * method rejects when the backend cannot read or write; then, unless the connection broke off during a write, nothing has changed.
 */
export interface RecordStore {
  get (partition: string, key: string): Promise<StoredRecord | undefined>
  /** Without a range, all records of the partition. */
  list (partition: string, range?: RecordRange): Promise<StoredRecord[]>
  /** Makes all changes, in one step. Resolves with false, having changed nothing, when a record does not have the revision that a change expects. */
  write (partition: string, changes: RecordChange[]): Promise<boolean>
  /** Makes changes in many partitions at the cost of few round trips, each partition in one step. Such changes expect no revisions. */
  writeEach (changes: Iterable<readonly [partition: string, changes: RecordChange[]]>): Promise<void>
  /** Deletes all records of the partition. */
  drop (partition: string): Promise<void>
  /** The partitions that begin with this and hold a record. It may look through all of the store: for audits and commands. */
  partitions (prefix: string): Promise<string[]>
  /** Frees the space of ended records. Call it now and then; it is never needed for reading. */
  prune (now?: Date): Promise<void>
  /** Releases the store's resources. Call it once, last. */
  close (): Promise<void>
}
