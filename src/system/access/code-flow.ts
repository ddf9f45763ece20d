import * as client from 'openid-client'
import type { Claims } from '#domain/access/claims.ts'
import { failure } from '#errors.ts'
import type { Discovered } from './discovery.ts'

/** The secrets of one login at the provider. The provider's answer must match them. */
export interface Attempt {
  state: string
  nonce: string
  verifier: string
}

/** A new attempt, of 256 random bits in each part. */
export function newAttempt (): Attempt {
  return { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() }
}

/** The provider's URL at which the person logs in. */
export async function authorizationUrl ({ configuration }: Discovered, { state, nonce, verifier }: Attempt, { redirectUri, scope }: { redirectUri: string, scope: string }): Promise<string> {
  return client.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope,
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256'
  }).href
}

/**
 * The provider's claims about the person who has logged in, from its ID token and, if it has one, its userinfo endpoint.
 * @throws {Ex10Error} EX10_LOGIN_REFUSED when the callback is not the answer to this attempt; EX10_PROVIDER_UNAVAILABLE
 */
export async function redeem ({ configuration }: Discovered, callback: URL, { state, nonce, verifier }: Attempt): Promise<Claims & { sub: string }> {
  try {
    const tokens = await client.authorizationCodeGrant(configuration, callback, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier })
    const claims = tokens.claims()! // a nonce was sent, so there is an ID token
    if (!configuration.serverMetadata().userinfo_endpoint) return claims
    return { ...await client.fetchUserInfo(configuration, tokens.access_token, claims.sub), ...claims }
  } catch (cause) {
    throw failure(isUnavailable(cause) ? 'PROVIDER_UNAVAILABLE' : 'LOGIN_REFUSED', { cause, details: { reason: reasonOf(cause) } })
  }
}

/** Whether the network or the provider failed: the browser's answer may still have been valid. */
function isUnavailable (error: unknown): boolean {
  if (error instanceof client.ResponseBodyError) return error.status >= 500
  return error instanceof TypeError || (error instanceof client.ClientError && ['OAUTH_TIMEOUT', 'OAUTH_RESPONSE_IS_NOT_CONFORM'].includes(error.code ?? ''))
}

/** The error code of the provider, such as `access_denied` or `invalid_client`, or of the library. */
function reasonOf (error: unknown): string {
  const words = error instanceof Error ? [(error as { error?: unknown }).error, (error as { code?: unknown }).code] : []
  return words.find(word => typeof word === 'string' && /^\w{1,64}$/.test(word)) as string | undefined ?? 'unknown'
}

/** The provider's URL at which the browser logs out there, too, before it returns; undefined when the provider has none. */
export function endSessionUrl ({ configuration }: Discovered, redirectUri: string): string | undefined {
  if (!configuration.serverMetadata().end_session_endpoint) return undefined
  return client.buildEndSessionUrl(configuration, { post_logout_redirect_uri: redirectUri }).href
}
