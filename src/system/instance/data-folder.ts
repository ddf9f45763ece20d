import { chmod, lstat, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartRefused } from '#errors.ts'

/**
 * Makes the data folder and what is in it, root's own. Sessions pass through the first two to their homes and cannot
 * list them.
 * @throws {StartRefused} when somebody else could put another folder in its place
 */
export async function prepareDataFolder (dataDir: string): Promise<void> {
  for (const [path, mode] of [[dataDir, 0o711], [join(dataDir, 'homes'), 0o711], [join(dataDir, 'sessions'), 0o700]] as const) {
    await mkdir(path, { recursive: true })
    await chmod(path, mode) // also one that the operator made
  }
  for (let path = dataDir; ; path = dirname(path)) {
    const { uid, mode } = await lstat(path)
    if (uid !== 0 || (mode & 0o022) !== 0) throw new StartRefused(`EX10_DATA_DIR=${dataDir} cannot be used: somebody but root may write to ${path}; "chown root" and "chmod go-w" it, or give another folder`)
    if (path === '/') return
  }
}
