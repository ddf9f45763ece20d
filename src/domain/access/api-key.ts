import { failure } from '#errors.ts'
import { newToken } from './token.ts'
import { RESERVED_USERS, SCOPES, type Principal, type Role, type Scope } from '#domain/principal.ts'

/** Distinguishes keys from other tokens, and makes leaked keys easy to find in logs and repositories. */
export const KEY_PREFIX = 'ex10_'

/** A use of a key is written only when the last written use is older than this. */
export const USE_NOTED_MS = 60_000

/** The properties of an API key to be made. */
export interface NewKey extends Principal {
  expiresAt?: Date
}

/** A request for a new API key. */
export interface KeyRequest {
  user: string
  /** `user`, unless given. */
  role?: Role
  /** All scopes of the role, unless given. */
  scopes?: readonly Scope[]
  /** ISO 8601. */
  expiresAt?: string
}

/** An API key as it is kept, without its secret. */
export interface ApiKey extends Principal {
  id: string
  createdAt: Date
  expiresAt?: Date
  revokedAt?: Date
  /** To the minute. */
  lastUsedAt?: Date
}

/** A new secret of a key. */
export function newSecret (): string {
  return KEY_PREFIX + newToken()
}

/** Whether the text is a secret like those of `newSecret`. */
export function isSecret (text: string): boolean {
  return text.startsWith(KEY_PREFIX) && /^[\w-]{43}$/.test(text.slice(KEY_PREFIX.length))
}

/** The scopes that a role may have. */
export function scopesOf (role: Role): readonly Scope[] {
  return role === 'admin' ? SCOPES : SCOPES.filter(scope => scope !== 'admin')
}

/** Checks a request and completes it with the defaults. @throws {Ex10Error} EX10_BAD_REQUEST for a key that could never be used */
export function readKeyRequest ({ user, role = 'user', scopes = scopesOf(role), expiresAt }: KeyRequest, now: Date): NewKey {
  if (RESERVED_USERS.includes(user)) throw failure('BAD_REQUEST', { message: `No user can be called ${user}: choose another name` })
  const tooMany = scopes.filter(scope => !scopesOf(role).includes(scope))
  if (tooMany.length > 0) throw failure('BAD_REQUEST', { message: `A key with the role ${role} cannot have the scope ${tooMany.join(', ')}` })
  if (expiresAt === undefined) return { user, role, scopes }
  const end = new Date(expiresAt)
  if (!(end > now)) throw failure('BAD_REQUEST', { message: 'expiresAt must be a time in the future, such as 2030-01-31T00:00:00Z' })
  return { user, role, scopes, expiresAt: end }
}

/** Whether the key is neither revoked nor expired at this time. */
export function isInForce ({ expiresAt, revokedAt }: ApiKey, now: Date): boolean {
  return revokedAt === undefined && (expiresAt === undefined || now < expiresAt)
}
