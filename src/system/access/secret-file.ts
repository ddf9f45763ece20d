import { readFileSync, statSync } from 'node:fs'
import { StartRefused } from '#errors.ts'

/**
 * The secret in `file`, the value of `variable`. `renewal` says how a secret that others could read is replaced.
 * @throws {StartRefused} when it cannot be read, or when users other than root can read it
 */
export function readSecret (variable: string, file: string, renewal: string): string {
  const refuse = (why: string, cause?: unknown) => new StartRefused(`${variable}=${file} cannot be used: ${why}`, { cause })
  try {
    const { uid, mode } = statSync(file)
    if (uid !== 0 || (mode & 0o077) !== 0) throw refuse(`users other than root can read it; "chown root" and "chmod 600" it, and ${renewal}`)
    const secret = readFileSync(file, 'utf8').trim()
    if (secret === '') throw refuse('it is empty; put the secret into it')
    return secret
  } catch (error) {
    if (error instanceof StartRefused) throw error
    throw refuse(`${(error as NodeJS.ErrnoException).code}; give a file that holds the secret`, error)
  }
}
