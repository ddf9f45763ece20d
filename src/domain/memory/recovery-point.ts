import { createHash, randomBytes } from 'node:crypto'
import type { EndReason } from '#domain/session.ts'

/** A session that has ended and can be brought back by its user. */
export interface RecoveryPoint {
  sessionId: string
  owner: string
  template: string
  /** The number of pushes, and of tabs. */
  version: number
  tabs: number
  /** The time of what is brought back, of the session's end, and of the end of the chance, in ISO format. */
  at: string
  endedAt: string
  until: string
  reason: EndReason
  /** Whether the browser's profile comes back, of a session that keeps it. */
  profile?: 'kept' | 'too-large'
  /** Hashes of the tokens that bring it back. */
  tokens: string[]
  /** The server that brings it back at this moment. */
  claimedBy?: string
}

/** The most tokens of one point. Beyond them, the oldest is no longer valid. */
const MOST_TOKENS = 8
const TOKEN = /^ex10r_([0-9a-f]{32})_([\w-]{43})$/

/** A new token of the session's recovery point: 32 random bytes, behind the session's id, which is no secret. */
export function newToken (sessionId: string): string {
  return `ex10r_${sessionId}_${randomBytes(32).toString('base64url')}`
}

/** The session of a token; undefined when it has not the form of one. */
export function sessionOf (token: string): string | undefined {
  return TOKEN.exec(token)?.[1]
}

export function hashOf (token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

export function withToken (point: RecoveryPoint, token: string): RecoveryPoint {
  return { ...point, tokens: [...point.tokens, hashOf(token)].slice(-MOST_TOKENS) }
}

/** The point without the token, which is used up. */
export function withoutToken (point: RecoveryPoint, token: string): RecoveryPoint {
  return { ...point, tokens: point.tokens.filter(hash => hash !== hashOf(token)) }
}
