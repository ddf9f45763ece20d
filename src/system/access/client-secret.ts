import { readFileSync, statSync } from 'node:fs'
import { StartRefused } from '#errors.ts'

/** The client's secret in `file`. @throws {StartRefused} when it cannot be read, or when users other than root can read it */
export function readClientSecret (file: string): string {
  const refuse = (why: string, cause?: unknown) => new StartRefused(`EX10_OIDC_CLIENT_SECRET_FILE=${file} cannot be used: ${why}`, { cause })
  try {
    const { uid, mode } = statSync(file)
    if (uid !== 0 || (mode & 0o077) !== 0) throw refuse('users other than root can read it; "chown root" and "chmod 600" it, and have the provider make a new secret')
    const secret = readFileSync(file, 'utf8').trim()
    if (secret === '') throw refuse('it is empty; put the secret into it')
    return secret
  } catch (error) {
    if (error instanceof StartRefused) throw error
    throw refuse(`${(error as NodeJS.ErrnoException).code}; give a file that holds the secret`, error)
  }
}
