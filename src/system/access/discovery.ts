import * as client from 'openid-client'
import { createRemoteJWKSet, type RemoteJWKSet } from 'jose'
import { failure } from '#errors.ts'
import { lazily } from '#domain/concurrency/lazily.ts'

const TIMEOUT_MS = 5000
const RETRY_MS = 5000

/** What this server is to the provider. */
export interface Client {
  issuer: string
  clientId: string
  /** A public client has none. */
  clientSecret?: string
}

/** What the provider says of itself, and its keys: fetched when needed, kept, and fetched again for a key that is new. */
export interface Discovered {
  configuration: client.Configuration
  keys: RemoteJWKSet
}

/**
 * Asks the provider about itself when that is first needed, and keeps the answer. After a failure it is asked again, at
 * most every five seconds.
 * The function rejects with EX10_PROVIDER_UNAVAILABLE.
 */
export function discoverLazily (settings: Client): () => Promise<Discovered> {
  return lazily(() => discover(settings).catch(cause => { throw failure('PROVIDER_UNAVAILABLE', { cause }) }), RETRY_MS)
}

async function discover ({ issuer, clientId, clientSecret }: Client): Promise<Discovered> {
  const isInsecure = issuer.startsWith('http:') // on loopback: the settings allow it nowhere else
  const configuration = await client.discovery(new URL(issuer), clientId, undefined, clientSecret === undefined ? client.None() : authentication(clientSecret), {
    timeout: TIMEOUT_MS / 1000,
    execute: [client.enableNonRepudiationChecks, ...isInsecure ? [client.allowInsecureRequests] : []]
  })
  const jwksUri = new URL(configuration.serverMetadata().jwks_uri ?? '')
  if (jwksUri.protocol !== 'https:' && !isInsecure) throw new Error('its jwks_uri is no https address')
  return { configuration, keys: createRemoteJWKSet(jwksUri, { timeoutDuration: TIMEOUT_MS, cooldownDuration: RETRY_MS }) }
}

/** As the provider wants it: in a header, unless it takes the secret in the body only. */
function authentication (secret: string): client.ClientAuth {
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)]
  return (server, ...rest) => (server.token_endpoint_auth_methods_supported?.includes('client_secret_basic') === false ? post : basic)(server, ...rest)
}
