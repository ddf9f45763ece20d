import * as client from 'openid-client'
import type { Claims } from '#domain/access/claims.ts'
import { failure } from '#errors.ts'
import type { Discovered } from './discovery.ts'

/** What one login at the provider is known by, and what the answer to it must match. */
export interface Attempt {
  state: string
  nonce: string
  verifier: string
}

/** A new attempt, of 256 random bits in each part. */
export function newAttempt (): Attempt {
  return { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() }
}

/** Where the browser is sent for the person to log in. */
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
 * What the provider says of who has logged in: by its ID token, and by its userinfo where it has that.
 * @throws {Ex10Error} EX10_LOGIN_REFUSED when what came back is not the answer to this attempt; EX10_PROVIDER_UNAVAILABLE
 */
export async function redeem ({ configuration }: Discovered, callback: URL, { state, nonce, verifier }: Attempt): Promise<Claims & { sub: string }> {
  try {
    const tokens = await client.authorizationCodeGrant(configuration, callback, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier })
    const claims = tokens.claims()! // the nonce asks for it
    if (!configuration.serverMetadata().userinfo_endpoint) return claims
    return { ...await client.fetchUserInfo(configuration, tokens.access_token, claims.sub), ...claims }
  } catch (cause) {
    throw failure(isUnavailable(cause) ? 'PROVIDER_UNAVAILABLE' : 'LOGIN_REFUSED', { cause, details: { reason: reasonOf(cause) } })
  }
}

/** The network failed, or the provider: what came with the browser may have been good. */
function isUnavailable (error: unknown): boolean {
  if (error instanceof client.ResponseBodyError) return error.status >= 500
  return error instanceof TypeError || (error instanceof client.ClientError && ['OAUTH_TIMEOUT', 'OAUTH_RESPONSE_IS_NOT_CONFORM'].includes(error.code ?? ''))
}

/** The provider's word for what is wrong, such as `access_denied` or `invalid_client`, or the library's. */
function reasonOf (error: unknown): string {
  const words = error instanceof Error ? [(error as { error?: unknown }).error, (error as { code?: unknown }).code] : []
  return words.find(word => typeof word === 'string' && /^\w{1,64}$/.test(word)) as string | undefined ?? 'unknown'
}

/** Where the browser is sent to log out at the provider, too, and then back; undefined where it offers no such address. */
export function endSessionUrl ({ configuration }: Discovered, redirectUri: string): string | undefined {
  if (!configuration.serverMetadata().end_session_endpoint) return undefined
  return client.buildEndSessionUrl(configuration, { post_logout_redirect_uri: redirectUri }).href
}
