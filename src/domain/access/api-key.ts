import { failure } from '#errors.ts'
import { RESERVED_USERS, SCOPES, type Principal, type Role, type Scope } from '#domain/principal.ts'

/** What makes a key easy to find where it does not belong, in a log or a repository, and tells it from other tokens. */
export const KEY_PREFIX = 'ex10_'

/** A use of a key is noted when the last noted one is older. */
export const USE_NOTED_MS = 60_000

/** What a new API key is to be. */
export interface NewKey extends Principal {
  expiresAt?: Date
}

/** The same as somebody asks for it. */
export interface KeyRequest {
  user: string
  /** `user`, unless given. */
  role?: Role
  /** All that the role may have, unless given. */
  scopes?: readonly Scope[]
  /** ISO 8601. */
  expiresAt?: string
}

/** An API key as it is kept: not the secret, from which it is found. */
export interface ApiKey extends Principal {
  id: string
  createdAt: Date
  expiresAt?: Date
  revokedAt?: Date
  /** To the minute. */
  lastUsedAt?: Date
}

/** The scopes that a role may have. */
export function scopesOf (role: Role): readonly Scope[] {
  return role === 'admin' ? SCOPES : SCOPES.filter(scope => scope !== 'admin')
}

/** What key to make. @throws {Ex10Error} EX10_BAD_REQUEST, when it could never be used */
export function readKeyRequest ({ user, role = 'user', scopes = scopesOf(role), expiresAt }: KeyRequest, now: Date): NewKey {
  if (RESERVED_USERS.includes(user)) throw failure('BAD_REQUEST', { message: `No user can be called ${user}: choose another name` })
  const tooMany = scopes.filter(scope => !scopesOf(role).includes(scope))
  if (tooMany.length > 0) throw failure('BAD_REQUEST', { message: `A key with the role ${role} cannot have the scope ${tooMany.join(', ')}` })
  if (expiresAt === undefined) return { user, role, scopes }
  const end = new Date(expiresAt)
  if (!(end > now)) throw failure('BAD_REQUEST', { message: 'expiresAt must be a time to come, such as 2030-01-31T00:00:00Z' })
  return { user, role, scopes, expiresAt: end }
}

/** Whether the key opens anything, at this time. */
export function isInForce ({ expiresAt, revokedAt }: ApiKey, now: Date): boolean {
  return revokedAt === undefined && (expiresAt === undefined || now < expiresAt)
}
