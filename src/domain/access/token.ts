import { createHash, randomBytes } from 'node:crypto'

const BYTES = 32

/** A new secret of 256 random bits, as text that fits into URLs and headers. */
export function newToken (): string {
  return randomBytes(BYTES).toString('base64url')
}

/** What is kept of a token: so many random bits cannot be found again from a plain SHA-256 of them. */
export function hashToken (token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
