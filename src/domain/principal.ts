/** The users of requests, and their rights. Nothing here touches the machine. */

export const ROLES = ['user', 'admin'] as const
export type Role = typeof ROLES[number]

/** The rights of a credential: making sessions, viewing and using them, pushing code, and administration. */
export const SCOPES = ['create', 'view', 'push', 'admin'] as const
export type Scope = typeof SCOPES[number]

/** A user's name: every `sub` that an OpenID Connect provider may send, except those with spaces. */
export const USER_NAME = /^[!-~]{1,255}$/

/** The user of an authenticated request, with a role and scopes. */
export interface Principal {
  user: string
  role: Role
  scopes: readonly Scope[]
}

/** With EX10_AUTH=none, every request is this local user's, with all rights. */
export const LOCAL_USER = 'local'
export const LOCAL: Principal = { user: LOCAL_USER, role: 'admin', scopes: SCOPES }

/** Names that users cannot have, because the product gives them a meaning of their own, such as in the audit log. */
export const RESERVED_USERS: readonly string[] = [LOCAL_USER, 'server', 'terminal', 'provider', 'erased']

/** Whether the principal's role and scopes allow it. */
export function mayDo ({ role, scopes }: Principal, scope: Scope): boolean {
  return scopes.includes(scope) && (scope !== 'admin' || role === 'admin')
}

/** Whether this principal may know that the session exists: its owner and admins may. */
export function knowsOf (principal: Principal, session: { owner: string }): boolean {
  return session.owner === principal.user || mayDo(principal, 'admin')
}
