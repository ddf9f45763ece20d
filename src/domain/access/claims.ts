import { failure } from '#errors.ts'
import { scopesOf } from './api-key.ts'
import { RESERVED_USERS, USER_NAME, type Principal } from '#domain/principal.ts'

/** What an OpenID Connect provider says of somebody. */
export type Claims = Readonly<Record<string, unknown>>

/** Which claims say who somebody is and what they may do; an empty role is not asked for, or nobody has it. */
export interface ClaimRules {
  userClaim: string
  roleClaim: string
  userRole: string
  adminRole: string
}

/** Whom the provider speaks of. @throws {Ex10Error} EX10_NOT_A_USER, of somebody who may not use the server or cannot be named */
export function principalOf (claims: Claims, { userClaim, roleClaim, userRole, adminRole }: ClaimRules): Principal {
  const user = valueOf(claims, userClaim)
  if (typeof user !== 'string' || !USER_NAME.test(user) || RESERVED_USERS.includes(user)) throw failure('NOT_A_USER', { message: `The provider's claim "${userClaim}" does not name a user, which takes 1 to 255 ASCII characters without spaces: the operator can choose another one` })
  // many providers let people enter any address
  if (userClaim === 'email' && claims.email_verified !== true) throw failure('NOT_A_USER', { message: 'The provider has not verified that this e-mail address is yours' })
  const has = (role: string) => role !== '' && [valueOf(claims, roleClaim)].flat().includes(role)
  const role = has(adminRole) ? 'admin' : 'user'
  if (role === 'user' && userRole && !has(userRole)) throw failure('NOT_A_USER')
  return { user, role, scopes: scopesOf(role) }
}

/** The claim of this name; where there is none, the one that its dots lead to. */
function valueOf (claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  return name.split('.').reduce<unknown>((value, part) => value instanceof Object && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined, claims)
}
