import { open } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes the present text of the machine's resolv.conf into the session's copy, which init.py has made. The copy is mounted in
 * the sandbox, so it is written in place. A reader finds the old text, the new one, or the new one with an end of the old.
 */
export async function updateResolvConf (dir: string, text: string): Promise<void> {
  const file = await open(join(dir, 'resolv.conf'), 'r+')
  try {
    const { bytesWritten } = await file.write(text, 0)
    await file.truncate(bytesWritten)
  } finally {
    await file.close()
  }
}
