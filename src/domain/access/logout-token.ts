import type { Claims } from './claims.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** The content of a provider's logout token: the sessions at the provider that have ended. */
export interface LogoutToken {
  /** The token's own id. */
  jti: string
  /** The person. Without a `sid`, all sessions of that person at the provider have ended. */
  subject?: string
  sid?: string
}

/**
 * Reads the claims of a token whose signature, issuer, audience and time have been checked. Undefined for any other token,
 * such as an ID token. openid.net/specs/openid-connect-backchannel-1_0.html, section 2.6
 */
export function readLogoutToken ({ jti, sub, sid, nonce, events }: Claims): LogoutToken | undefined {
  const isEvent = events instanceof Object && Object.hasOwn(events, EVENT) && (events as Claims)[EVENT] instanceof Object
  const isText = (claim: unknown) => typeof claim === 'string' && claim !== ''
  if (!isEvent || nonce !== undefined || !isText(jti)) return undefined
  if (![sub, sid].some(isText) || ![sub, sid].every(claim => claim === undefined || isText(claim))) return undefined
  return { jti: jti as string, ...(sub !== undefined && { subject: sub as string }), ...(sid !== undefined && { sid: sid as string }) }
}
