import { chmod, lstat, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartRefused } from '#errors.ts'

/** SQLite databases: SQLite puts `-wal` and `-shm` beside one, and a damaged registry is moved aside under a longer name. */
const DATABASES = {
  registry: 'registry.db',
  keys: 'keys.db',
  logins: 'logins.db',
  shares: 'shares.db',
  auditLog: 'audit-log.db',
  statistics: 'statistics.db'
} as const

const FILES = {
  /** Signs cookies and page tokens. */
  cookieSecret: 'cookie-secret'
} as const

const FOLDERS = {
  /** An entry an account: a folder, or an image of a file system. */
  homes: 'homes',
  /** A folder a session, root's own. */
  sessions: 'sessions',
  /** Archives on their way in. */
  uploads: 'uploads',
  /** Dev servers and the templates' builds: bin/setup.mjs fills it. */
  templates: 'templates',
  /** bin/npm-cache.mjs fills it. */
  npmCache: 'npm-cache'
} as const

const NAMES = { ...DATABASES, ...FILES, ...FOLDERS }

/** `lost+found` is there when the data folder is a file system of its own. */
const OTHERS = ['lost+found']

/**
 * Every path of an instance's data folder. A new file or folder in it is one entry above: what is not named here, the
 * audit reports.
 */
export interface DataFolder extends Readonly<Record<keyof typeof NAMES, string>> {
  readonly path: string
  /** The folder of the session with this id. */
  session (id: string): string
  /** Whether the product puts an entry of this name into the data folder. */
  knows (name: string): boolean
}

/** Names the paths below `path`, an absolute path; nothing is made or read. */
export function dataFolderAt (path: string): DataFolder {
  const paths = Object.fromEntries(Object.entries(NAMES).map(([what, name]) => [what, join(path, name)])) as Record<keyof typeof NAMES, string>
  return Object.freeze({
    path,
    ...paths,
    session: (id: string) => join(paths.sessions, id),
    knows: (name: string) => [...Object.values<string>(NAMES), ...OTHERS].includes(name) || Object.values(DATABASES).some(database => name.startsWith(database))
  })
}

/**
 * Makes the data folder and what is in it, root's own. Sessions pass through the first two to their homes and cannot
 * list them.
 * @throws {StartRefused} when somebody else could put another folder in its place
 */
export async function prepareDataFolder ({ path: dataDir, homes, sessions }: DataFolder): Promise<void> {
  for (const [path, mode] of [[dataDir, 0o711], [homes, 0o711], [sessions, 0o700]] as const) {
    await mkdir(path, { recursive: true })
    await chmod(path, mode) // also one that the operator made
  }
  for (let path = dataDir; ; path = dirname(path)) {
    const { uid, mode } = await lstat(path)
    if (uid !== 0 || (mode & 0o022) !== 0) throw new StartRefused(`EX10_DATA_DIR=${dataDir} cannot be used: somebody but root may write to ${path}; "chown root" and "chmod go-w" it, or give another folder`)
    if (path === '/') return
  }
}
