import { createHash } from 'node:crypto'
import type { KeyedRequest } from '#domain/session.ts'

/** The marks of a user's request with this key. The order of the body's fields does not matter. */
export function keyedRequest (user: string, key: string, body: unknown): KeyedRequest {
  return { key: sha256(`${user} ${key}`), fingerprint: sha256(JSON.stringify(body, inOrder)) }
}

function inOrder (_name: string, value: unknown): unknown {
  const isRecord = value instanceof Object && !Array.isArray(value)
  return isRecord ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)) : value
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
