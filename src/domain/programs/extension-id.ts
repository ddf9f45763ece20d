import { createHash } from 'node:crypto'

/** The id that Chromium gives an unpacked extension: from its path, 32 letters a to p. */
export function extensionId (extensionDir: string): string {
  return createHash('sha256').update(extensionDir).digest('hex').slice(0, 32)
    .replace(/./g, digit => String.fromCharCode(97 + parseInt(digit, 16)))
}
