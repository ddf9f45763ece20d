import { createHash } from 'node:crypto'

/** A longer name would not fit into a partition's. */
const MOST = 400

/** The scope of a user's own records, as a word of a partition: `user:` and the name, in which `/` and `%` are escaped, or the hash of a very long one. */
export function userScope (user: string): string {
  const name = user.replace(/[%/]/g, encodeURIComponent)
  return `user:${name.length > MOST ? `%%${createHash('sha256').update(user).digest('hex')}` : name}`
}
