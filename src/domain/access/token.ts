import { createHash, randomBytes } from 'node:crypto'

const BYTES = 32

/** A new secret of 256 random bits, as text that fits into URLs and headers. */
export function newToken (): string {
  return randomBytes(BYTES).toString('base64url')
}

/** The hash that is kept of a token. A plain SHA-256 is enough: 256 random bits cannot be guessed from it. */
export function hashToken (token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** The token that an `Authorization` header shows as a bearer's (RFC 6750); undefined when it shows none. */
export function bearerToken (authorization = ''): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
}
