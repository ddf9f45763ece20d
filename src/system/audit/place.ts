import type { Account } from '#domain/session.ts'
import type { FirewallBackend } from '#system/firewall/backend.ts'
import type { DataFolder } from '#system/instance/data-folder.ts'

/** The places on the machine where an instance may have things. */
export interface Place {
  instance: string
  folder: DataFolder
  uidMin: number
  uidMax: number
  /** The slots' ports. */
  portRanges: [number, number][]
  firewall: FirewallBackend
  /** The pid of the instance's server, while one runs. */
  serverPid (): number | undefined
  /** The accounts of all recorded sessions, by name; ended ones too, for as long as they are kept. */
  recordedAccounts (): Map<string, Account>
  /** The ids of all sessions that are recorded, ended ones too, or have a folder. */
  knownIds (): Set<string>
  /** The ids of ready sessions: all that they have is in its place, whether a server runs or not. */
  readyIds (): string[]
}

export function isOurUid ({ uidMin, uidMax }: Place, uid: number): boolean {
  return uid >= uidMin && uid <= uidMax
}

/** The names of a session's folder and of its account. Entries with other names are never removed. */
export const SESSION_NAME = /^[0-9a-f]{32}$/
export const ACCOUNT_NAME = /^ex10_user_[0-9a-f]{8}$/

/** The suffix of a home's image after the account's name; with `.new` while it is made. */
export const IMAGE_SUFFIX = /\.img(\.new)?$/

/** The account or session that a path in the data folder belongs to, and undefined for any other path. */
export function ownerOfPath (place: Place, path: string): string | undefined {
  const folder = [place.folder.homes, place.folder.sessions].find(folder => path.startsWith(folder + '/'))
  return folder && path.slice(folder.length + 1).split('/')[0]?.replace(IMAGE_SUFFIX, '')
}
