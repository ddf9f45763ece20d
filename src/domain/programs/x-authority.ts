import { randomBytes } from 'node:crypto'

const FAMILY_WILD = 0xffff
const NAME = 'MIT-MAGIC-COOKIE-1'

/**
 * An X authority file with a new 128-bit cookie for display `:number` of any host: Xau(3). xauth would show the cookie in
 * its argv, so it is not used.
 */
export function xAuthority (number: number): Buffer {
  const fields = ['', String(number), NAME, randomBytes(16)].map(field => Buffer.from(field))
  return Buffer.concat([uint16(FAMILY_WILD), ...fields.flatMap(field => [uint16(field.length), field])])
}

function uint16 (value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
