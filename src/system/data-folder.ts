import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the data folder and what is in it, root's own. Sessions pass through the first two to their homes and cannot list them. */
export async function prepareDataFolder (dataDir: string): Promise<void> {
  for (const [path, mode] of [[dataDir, 0o711], [join(dataDir, 'homes'), 0o711], [join(dataDir, 'sessions'), 0o700]] as const) {
    await mkdir(path, { recursive: true })
    await chmod(path, mode) // also one that the operator made
  }
}
