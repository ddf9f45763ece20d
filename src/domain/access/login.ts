import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '#domain/principal.ts'

/** The API key or provider session that opened a login. The login ends with it. */
export type Opener = { keyId: string } | ProviderSession

/** A session at a provider, by `iss` and `sub`, `sid` or both. A login always has a `sub`; not every provider sends a `sid`. */
export interface ProviderSession { issuer: string, subject?: string, sid?: string }

/**
 * Whether this opener belongs to the session at the provider. Without a `sid`, every session of the person counts. An opener
 * without a `sid` may belong to any of them, and counts.
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
  /** The last use, exact to a minute, or better when the idle timeout is short. */
  seenAt: Date
  /** A hash of the browser's headers, and its address. */
  fingerprint: string
  address: string
}

const LOGIN_ID_LENGTH = 16

/** The id of a login: the beginning of its token's hash, which reveals nothing about the token. */
export function loginIdOf (tokenHash: string): string {
  return tokenHash.slice(0, LOGIN_ID_LENGTH)
}

/** Whether this can be the id of a login. */
export function isLoginId (id: string): boolean {
  return id.length === LOGIN_ID_LENGTH
}

/** The opener of this login. */
export function openerOf (login: Login): Opener {
  if ('keyId' in login) return { keyId: login.keyId }
  const { issuer, subject, sid } = login
  return { issuer, ...(subject !== undefined && { subject }), ...(sid !== undefined && { sid }) }
}

/** The properties that distinguish browsers and their addresses. */
export type Client = Pick<Login, 'fingerprint' | 'address'>

/** The client of a request with these headers from this address. Uses only headers that browsers send with every request, including WebSockets. */
export function clientOf (headers: IncomingHttpHeaders, address: string): Client {
  const words = [headers['user-agent'] ?? '', headers['accept-language'] ?? '']
  return { fingerprint: createHash('sha256').update(JSON.stringify(words)).digest('hex'), address }
}

/** The time limits of a login, in seconds, and its binding to a client. */
export interface LoginLimits {
  idleSeconds: number
  absoluteSeconds: number
  bound: readonly ('fingerprint' | 'ip')[]
}

/** The reason why a login has ended; undefined while it holds. */
export function whyLoggedOut (login: Login, from: Client, limits: LoginLimits, now: Date): 'idle' | 'too-old' | 'elsewhere' | undefined {
  const secondsSince = (date: Date) => (now.getTime() - date.getTime()) / 1000
  if (secondsSince(login.createdAt) >= limits.absoluteSeconds) return 'too-old'
  if (secondsSince(login.seenAt) >= limits.idleSeconds) return 'idle'
  if (limits.bound.includes('fingerprint') && login.fingerprint !== from.fingerprint) return 'elsewhere'
  if (limits.bound.includes('ip') && login.address !== from.address) return 'elsewhere'
}
