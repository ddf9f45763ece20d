/** One version of an extension's sources. */
export interface Version {
  /** The number of pushes up to it; 0 is what the session began with. */
  version: number
  at: string
  /** The user whose request made it. */
  by: string
  /** The tree of its files; absent when they could not be kept. */
  tree?: string | undefined
  files: number
  bytes: number
  /** Files that differ from the version before. */
  added: number
  changed: number
  removed: number
  /** When the browser ran it, and how long the build and the reload took. */
  confirmedAt?: string | undefined
  reloadMs?: number | undefined
  label?: string | undefined
  /** The activity that the push belongs to. */
  activity?: number | undefined
  /** The version whose files it has again. */
  rolledBackTo?: number | undefined
}

/** A version that the stores do not have yet, with the blobs that they may lack. */
export interface PendingVersion { version: Version, blobs: { id: string, content: Buffer }[] }

/** Pushes that belong together, and are committed or discarded together. */
export interface Activity {
  activity: number
  title?: string | undefined
  at: string
  by: string
  /** The version that it began with, and the tree of the files then: tools may have changed them since that version. */
  from: number
  tree: string
  endedAt?: string | undefined
  outcome?: 'committed' | 'discarded' | undefined
}

/** What is known of a version before its files are kept. */
export type Origin = Pick<Version, 'version' | 'by' | 'activity' | 'rolledBackTo'> & {
  /** The paths that the push named. */
  named?: readonly string[]
}

/** The record's key: keys are in the order of versions. */
export function keyOf (version: number): string {
  return String(version).padStart(12, '0')
}

/** The key of an activity's record, behind those of versions. */
export function activityKeyOf (activity: number): string {
  return `activity-${String(activity).padStart(12, '0')}`
}

/** How gladly a version is kept: one that a browser ran before one that none did, and one with a name before both. */
export function rankOf ({ confirmedAt, label }: Version): number {
  return label !== undefined ? 2 : Number(confirmedAt !== undefined)
}
