/** Who asks, and what they may do. Nothing here touches the machine. */

export const ROLES = ['user', 'admin'] as const
export type Role = typeof ROLES[number]

/** What a credential is good for: making sessions, looking at and using them, pushing code, and administration. */
export const SCOPES = ['create', 'view', 'push', 'admin'] as const
export type Scope = typeof SCOPES[number]

/** What can name a user: whatever an OpenID Connect provider calls somebody (`sub`), but no spaces. */
export const USER_NAME = /^[!-~]{1,255}$/

/** Somebody who has shown who they are. */
export interface Principal {
  user: string
  role: Role
  scopes: readonly Scope[]
}

/** Everyone, where nobody has to log in: one local user with all rights. */
export const LOCAL_USER = 'local'
export const LOCAL: Principal = { user: LOCAL_USER, role: 'admin', scopes: SCOPES }

/** Who is no person: whoever was called so would be taken for them. */
export const RESERVED_USERS: readonly string[] = [LOCAL_USER, 'server', 'terminal', 'provider']

/** Whether the principal's role and credential allow it. */
export function mayDo ({ role, scopes }: Principal, scope: Scope): boolean {
  return scopes.includes(scope) && (scope !== 'admin' || role === 'admin')
}

/** Whether the session exists, as far as this principal can tell: its owner and admins know of it. */
export function knowsOf (principal: Principal, session: { owner: string }): boolean {
  return session.owner === principal.user || mayDo(principal, 'admin')
}
