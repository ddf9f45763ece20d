import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '#domain/principal.ts'

/** What lets somebody in, and what their login ends with: an API key, or the session that the person has at the provider. */
export type Opener = { keyId: string } | ProviderSession

/** By a provider's `iss`, and its `sub`, `sid` or both: a login always has the first, not every provider tells the second. */
export interface ProviderSession { issuer: string, subject?: string, sid?: string }

/**
 * Whether this opener came of the session at the provider. Without a `sid`, every session of the person counts; an opener
 * whose `sid` is not known may be of any of them.
 */
export function isOfSession (opener: Opener, { issuer, subject, sid }: ProviderSession): boolean {
  if ('keyId' in opener || opener.issuer !== issuer) return false
  if (subject !== undefined && opener.subject !== subject) return false
  return sid === undefined || opener.sid === sid || (subject !== undefined && opener.sid === undefined)
}

/** A person who has logged in with a browser. */
export type Login = Opener & {
  principal: Principal
  createdAt: Date
  /** To the minute, or less where a login is short. */
  seenAt: Date
  /** What the browser said of itself, hashed, and its address. */
  fingerprint: string
  address: string
}

const LOGIN_ID_LENGTH = 16

/** What a login is called by: the beginning of its token's hash, which tells nothing of the token. */
export function loginIdOf (tokenHash: string): string {
  return tokenHash.slice(0, LOGIN_ID_LENGTH)
}

/** Whether a login can be called so. */
export function isLoginId (id: string): boolean {
  return id.length === LOGIN_ID_LENGTH
}

/** What opened this login. */
export function openerOf (login: Login): Opener {
  if ('keyId' in login) return { keyId: login.keyId }
  const { issuer, subject, sid } = login
  return { issuer, ...(subject !== undefined && { subject }), ...(sid !== undefined && { sid }) }
}

/** What tells browsers and places apart. */
export type Client = Pick<Login, 'fingerprint' | 'address'>

/** Whoever asks with these headers, from this address. Of the headers, those that browsers send with whatever they ask: WebSockets, too. */
export function clientOf (headers: IncomingHttpHeaders, address: string): Client {
  const words = [headers['user-agent'] ?? '', headers['accept-language'] ?? '']
  return { fingerprint: createHash('sha256').update(JSON.stringify(words)).digest('hex'), address }
}

/** How long a login lasts, in seconds, and what it is tied to. */
export interface LoginLimits {
  idleSeconds: number
  absoluteSeconds: number
  bound: readonly ('fingerprint' | 'ip')[]
}

/** Why a login does not hold any more; undefined while it does. */
export function whyLoggedOut (login: Login, from: Client, limits: LoginLimits, now: Date): 'idle' | 'too-old' | 'elsewhere' | undefined {
  const secondsSince = (date: Date) => (now.getTime() - date.getTime()) / 1000
  if (secondsSince(login.createdAt) >= limits.absoluteSeconds) return 'too-old'
  if (secondsSince(login.seenAt) >= limits.idleSeconds) return 'idle'
  if (limits.bound.includes('fingerprint') && login.fingerprint !== from.fingerprint) return 'elsewhere'
  if (limits.bound.includes('ip') && login.address !== from.address) return 'elsewhere'
}
