import { failure } from '#errors.ts'
import { scopesOf } from './api-key.ts'
import { RESERVED_USERS, USER_NAME, type Principal } from '#domain/principal.ts'

/** The claims of an OpenID Connect provider about a user. */
export type Claims = Readonly<Record<string, unknown>>

/** The claims with a user's name and roles. An empty `userRole` is not required; an empty `adminRole` is nobody's. */
export interface ClaimRules {
  userClaim: string
  roleClaim: string
  userRole: string
  adminRole: string
}

/** The principal that the claims describe. @throws {Ex10Error} EX10_NOT_A_USER for a person without the user role or without a usable name */
export function principalOf (claims: Claims, { userClaim, roleClaim, userRole, adminRole }: ClaimRules): Principal {
  const user = valueOf(claims, userClaim)
  if (typeof user !== 'string' || !USER_NAME.test(user) || RESERVED_USERS.includes(user)) throw failure('NOT_A_USER', { message: `The provider's claim "${userClaim}" does not name a user, which takes 1 to 255 ASCII characters without spaces: the operator can choose another one` })
  // many providers accept any address that people enter
  if (userClaim === 'email' && claims.email_verified !== true) throw failure('NOT_A_USER', { message: 'The provider has not verified that this e-mail address is yours' })
  const has = (role: string) => role !== '' && [valueOf(claims, roleClaim)].flat().includes(role)
  const role = has(adminRole) ? 'admin' : 'user'
  if (role === 'user' && userRole && !has(userRole)) throw failure('NOT_A_USER')
  return { user, role, scopes: scopesOf(role) }
}

/** The claim of this name; if there is none, the nested claim whose path the dotted name gives. */
function valueOf (claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  return name.split('.').reduce<unknown>((value, part) => value instanceof Object && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined, claims)
}
