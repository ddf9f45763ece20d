import type { Claims } from './claims.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** What a provider's logout token says has ended. */
export interface LogoutToken {
  /** Names the token itself. */
  jti: string
  /** Of whom; all of their sessions at the provider, where no `sid` is given. */
  subject?: string
  sid?: string
}

/**
 * Reads the claims of a token whose signature, issuer, audience and time are right; undefined when it is no logout token,
 * but an ID token, say. openid.net/specs/openid-connect-backchannel-1_0.html, section 2.6
 */
export function readLogoutToken ({ jti, sub, sid, nonce, events }: Claims): LogoutToken | undefined {
  const isEvent = events instanceof Object && Object.hasOwn(events, EVENT) && (events as Claims)[EVENT] instanceof Object
  const isText = (claim: unknown) => typeof claim === 'string' && claim !== ''
  if (!isEvent || nonce !== undefined || !isText(jti)) return undefined
  if (![sub, sid].some(isText) || ![sub, sid].every(claim => claim === undefined || isText(claim))) return undefined
  return { jti: jti as string, ...(sub !== undefined && { subject: sub as string }), ...(sid !== undefined && { sid: sid as string }) }
}
