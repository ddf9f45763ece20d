import { errors, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import type { Claims } from '#domain/access/claims.ts'
import { failure } from '#errors.ts'
import type { Discovered } from './discovery.ts'

/** Algorithms with a private key that only the provider has. With symmetric ones, every party that can check a token could make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** The most that the clocks of the provider and of this machine may differ. */
const TOLERANCE_S = 30

/** The claims of a token that is signed with a key of the provider, issued by it, for this audience, and within its time; else undefined. @throws {Ex10Error} EX10_PROVIDER_UNAVAILABLE */
export async function readToken ({ configuration, keys }: Discovered, token: string, options: JWTVerifyOptions & { audience: string }): Promise<Claims | undefined> {
  try {
    const { issuer } = configuration.serverMetadata()
    return (await jwtVerify(token, keyFrom(keys), { issuer, algorithms: ALGORITHMS, clockTolerance: TOLERANCE_S, ...options })).payload
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

/** Finds the key of a token. A failure to fetch the keys throws EX10_PROVIDER_UNAVAILABLE, since the token may still be valid. */
function keyFrom (keys: Discovered['keys']): JWTVerifyGetKey {
  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys || cause instanceof errors.JOSENotSupported) throw cause
      throw failure('PROVIDER_UNAVAILABLE', { cause })
    }
  }
}
