import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartRefused } from '#errors.ts'
import { finishRestore } from './finish-restore.ts'

/** SQLite databases: SQLite puts `-wal` and `-shm` beside one, and a damaged registry is moved aside under a longer name. */
const DATABASES = {
  registry: 'registry.db',
  keys: 'keys.db',
  logins: 'logins.db',
  shares: 'shares.db',
  auditLog: 'audit-log.db',
  statistics: 'statistics.db',
  /** State, versions of code, recovery points, archives and analytics, without their blobs. */
  records: 'records.db'
} as const

const FILES = {
  /** Signs cookies and page tokens. */
  cookieSecret: 'cookie-secret',
  /** The master keys of what is sealed, unless EX10_KEY_FILE names another file. */
  masterKeys: 'master-keys'
} as const

const FOLDERS = {
  /** One entry for each account: a folder, or an image of a file system. */
  homes: 'homes',
  /** One folder for each session, owned by root. */
  sessions: 'sessions',
  /** Contents of code versions, recovery points and archives: one folder for each session. */
  blobs: 'blobs',
  /** Archives that are being uploaded. */
  uploads: 'uploads',
  /** Dev servers and the templates' builds, which bin/setup.mjs makes. */
  templates: 'templates',
  /** The files of a backup while they are unpacked and checked. */
  restoring: 'restore.new',
  /** The files of a backup, complete and checked, on their way to their places. */
  restored: 'restore',
  /** Copies of Chromium's folder, one a version that a session began with (sandbox/kept-browser.ts). */
  browsers: 'browsers',
  /** Packages that bin/npm-cache.mjs has downloaded. */
  npmCache: 'npm-cache'
} as const

const NAMES = { ...DATABASES, ...FILES, ...FOLDERS }

/** `lost+found` is there when the data folder is a file system of its own. */
const OTHERS = ['lost+found']

/**
 * Every path of an instance's data folder. A new file or folder in it is one entry above: the audit reports
 * every other entry.
 */
export interface DataFolder extends Readonly<Record<keyof typeof NAMES, string>> {
  readonly path: string
  /** The folder of the session with this id. */
  session (id: string): string
  /** Whether the product makes an entry of this name in the data folder. */
  knows (name: string): boolean
  /** The names of the databases that are there. */
  databases (): string[]
}

/** Names the paths below `path`, an absolute path; nothing is made or read. */
export function dataFolderAt (path: string): DataFolder {
  const paths = Object.fromEntries(Object.entries(NAMES).map(([what, name]) => [what, join(path, name)])) as Record<keyof typeof NAMES, string>
  return Object.freeze({
    path,
    ...paths,
    session: (id: string) => join(paths.sessions, id),
    knows: (name: string) => [...Object.values<string>(NAMES), ...OTHERS].includes(name) || Object.values(DATABASES).some(database => name.startsWith(database)),
    databases: () => Object.values(DATABASES).filter(name => existsSync(join(path, name)))
  })
}

/**
 * Makes the data folder and its folders, owned by root. Sessions pass through the data folder and `homes` to their homes,
 * and cannot list either.
 * Completes a restoration that was cut off.
 * @throws {StartRefused} when a user other than root could replace the data folder
 */
export async function prepareDataFolder (folder: DataFolder): Promise<void> {
  const { path: dataDir, homes, sessions } = folder
  for (const [path, mode] of [[dataDir, 0o711], [homes, 0o711], [sessions, 0o700]] as const) {
    await mkdir(path, { recursive: true })
    await chmod(path, mode) // also of a folder that the operator made
  }
  for (let path = dataDir; ; path = dirname(path)) {
    const { uid, mode } = await lstat(path)
    if (uid !== 0 || (mode & 0o022) !== 0) throw new StartRefused(`EX10_DATA_DIR=${dataDir} cannot be used: a user other than root can write to ${path}; "chown root" and "chmod go-w" it, or give another folder`)
    if (path === '/') break
  }
  finishRestore(folder)
}
