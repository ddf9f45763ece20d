import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the data folder and what is in it, root's own. Sessions pass through the first two to their homes and cannot list them. */
export async function prepareDataFolder (dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o711 })
  await mkdir(join(dataDir, 'homes'), { recursive: true, mode: 0o711 })
  await mkdir(join(dataDir, 'sessions'), { recursive: true, mode: 0o700 })
}
