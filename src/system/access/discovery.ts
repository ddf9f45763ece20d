import * as client from 'openid-client'
import { createRemoteJWKSet, type RemoteJWKSet } from 'jose'
import { failure } from '#errors.ts'
import { lazily } from '#domain/concurrency/lazily.ts'

const TIMEOUT_MS = 5000
const RETRY_MS = 5000

/** This server's registration as a client at the provider. */
export interface Client {
  issuer: string
  clientId: string
  /** Absent for a public client. */
  clientSecret?: string
}

/** The provider's metadata, and its keys, which are fetched when needed, kept, and fetched again for an unknown key. */
export interface Discovered {
  configuration: client.Configuration
  keys: RemoteJWKSet
}

/**
 * Fetches the provider's metadata when it is first needed, and keeps it. After a failure it tries again when called, at most
 * every five seconds.
 * The function rejects with EX10_PROVIDER_UNAVAILABLE.
 */
export function discoverLazily (settings: Client): () => Promise<Discovered> {
  return lazily(() => discover(settings).catch(cause => { throw failure('PROVIDER_UNAVAILABLE', { cause }) }), RETRY_MS)
}

async function discover ({ issuer, clientId, clientSecret }: Client): Promise<Discovered> {
  const isInsecure = issuer.startsWith('http:') // the settings allow http on loopback only
  const configuration = await client.discovery(new URL(issuer), clientId, undefined, clientSecret === undefined ? client.None() : authentication(clientSecret), {
    timeout: TIMEOUT_MS / 1000,
    execute: [client.enableNonRepudiationChecks, ...isInsecure ? [client.allowInsecureRequests] : []]
  })
  const jwksUri = new URL(configuration.serverMetadata().jwks_uri ?? '')
  if (jwksUri.protocol !== 'https:' && !isInsecure) throw new Error('its jwks_uri is not an https address')
  return { configuration, keys: createRemoteJWKSet(jwksUri, { timeoutDuration: TIMEOUT_MS, cooldownDuration: RETRY_MS }) }
}

/** Sends the client's secret in a header, unless the provider accepts it in the body only. */
function authentication (secret: string): client.ClientAuth {
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)]
  return (server, ...rest) => (server.token_endpoint_auth_methods_supported?.includes('client_secret_basic') === false ? post : basic)(server, ...rest)
}
