import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'

const BYTES = 32

/** A new secret of 256 random bits, as text that fits into URLs and headers. */
export function newToken (): string {
  return randomBytes(BYTES).toString('base64url')
}

/** What is kept of a token: so many random bits cannot be found again from a plain SHA-256 of them. */
export function hashToken (token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** The server's own secret in `file`, which only root can read; it is made at the first start. */
export function ownSecret (file: string): string {
  if (!existsSync(file)) {
    const made = openSync(`${file}.new`, 'w', 0o600)
    writeSync(made, newToken())
    fsyncSync(made)
    closeSync(made)
    renameSync(`${file}.new`, file)
  }
  return readFileSync(file, 'utf8')
}
