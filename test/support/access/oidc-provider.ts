import { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose'
// @ts-expect-error: it comes without types
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import type { BrowserClient, Answer } from './browser-client.ts'
import { freePort } from '#support/servers/free-port.ts'

export const CLIENT_ID = 'ex10'
export const CLIENT_SECRET = 'a secret of thirty-two characters'
/** What access tokens for programs are for. */
export const AUDIENCE = 'urn:ex10:api'
/** A client that gets them in its own name, with this secret. */
export const PROGRAM = { id: 'program', secret: 'another secret of thirty-two chars' }

/** A provider on loopback that logs in whoever gives a name. */
export interface TestProvider {
  issuer: string
  /** Signs as the provider does; what is given replaces what it would write. */
  sign (payload: JWTPayload, header?: Partial<JWTHeaderParameters>): Promise<string>
  /** The public key, as PEM. */
  publicKey: string
  /** What its requests to the server's back-channel were answered with. */
  backchannel: ('success' | 'error')[]
  close (): Promise<void>
}

/** Starts a provider for the server at `publicUrl`; for browsers it is another site than 127.0.0.1. `groups` are those of each user. */
export async function startProvider (t: Test, publicUrl: string, groups: Record<string, string[]> = {}, port?: number, kid = 'one'): Promise<TestProvider> {
  const http = createServer()
  http.listen(port ?? await freePort(), '127.0.0.1')
  await once(http, 'listening')
  const issuer = `http://localhost:${(http.address() as AddressInfo).port}`
  const keys = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, configuration(publicUrl, { ...await exportJWK(keys.privateKey), kid, alg: 'RS256', use: 'sig' }, groups))
  const backchannel: TestProvider['backchannel'] = []
  for (const outcome of ['success', 'error'] as const) provider.on(`backchannel.${outcome}`, () => backchannel.push(outcome))
  http.on('request', provider.callback())
  const close = async () => {
    http.closeAllConnections()
    if (http.listening) await new Promise(resolve => http.close(resolve))
  }
  t.teardown(close)
  return {
    issuer,
    backchannel,
    close,
    publicKey: KeyObject.from(keys.publicKey).export({ type: 'spki', format: 'pem' }).toString(),
    sign (payload, header = {}) {
      const now = Math.floor(Date.now() / 1000)
      const claims = { iss: issuer, iat: now, exp: now + 60, ...payload }
      return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, ...header }).sign(keys.privateKey)
    }
  }
}

function configuration (publicUrl: string, key: object, groups: Record<string, string[]>): object {
  return {
    jwks: { keys: [key] },
    cookies: { keys: ['for tests'] },
    clients: [{
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [`${publicUrl}/login/oidc/callback`],
      post_logout_redirect_uris: [`${publicUrl}/`],
      backchannel_logout_uri: `${publicUrl}/login/oidc/backchannel`,
      backchannel_logout_session_required: true
    }, {
      client_id: PROGRAM.id, client_secret: PROGRAM.secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: []
    }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}-preferred`, groups: groups[id] ?? [] }) }),
    pkce: { required: () => true },
    extraTokenClaims: (_context: unknown, { clientId }: { clientId: string }) => ({ groups: groups[clientId] ?? [] }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt' }) }
    },
    // as to a program of its own: nobody is asked for consent
    async loadExistingGrant ({ oidc: { provider, client, session } }: any) {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid profile')
      await grant.save()
      return grant
    },
    fetch: (url: string, { dispatcher, ...options }: RequestInit & { dispatcher?: unknown }) => fetch(url, options), // also to loopback
    ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600, ClientCredentials: 600 },
    renderError (context: { body: unknown }, out: object) { context.body = JSON.stringify(out) }
  }
}

/** Goes from the server to the provider and logs in there as `user`: returns the address that the provider sends the browser back to. */
export async function logInAtProvider (browser: BrowserClient, user: string, begin = '/login/oidc'): Promise<URL> {
  const isBack = (url: URL) => url.pathname === '/login/oidc/callback'
  const form = await browser.open(begin, isBack)
  if (isBack(form.url)) return form.url // the provider knows them already
  const submitted = await browser.ask(form.url.href, { method: 'POST', body: new URLSearchParams({ prompt: 'login', login: user, password: 'any' }) })
  const next = submitted.headers.get('location')
  if (next === null) throw new Error(`not logged in: ${submitted.status} ${submitted.body}`)
  return (await browser.open(new URL(next, form.url).href, isBack)).url
}

/** Logs in as `user`, all the way. */
export async function logInThroughProvider (browser: BrowserClient, user: string): Promise<Answer> {
  return browser.ask((await logInAtProvider(browser, user)).href, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' } })
}

/** The access token that the provider issues to a program. */
export async function programToken ({ issuer }: TestProvider): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${PROGRAM.id}:${encodeURIComponent(PROGRAM.secret)}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: AUDIENCE })
  })
  const { access_token: token } = await response.json() as { access_token?: string }
  if (token === undefined) throw new Error(`no token: ${response.status}`)
  return token
}

/** Logs out at the provider, at the address that the server gave, as a person does who says yes there; returns where they end up. */
export async function logOutAtProvider (browser: BrowserClient, address: string): Promise<string | null> {
  const form = await browser.open(address)
  const [, action = '', xsrf = ''] = /action="([^"]+)".*name="xsrf" value="([^"]+)"/s.exec(form.body) ?? []
  const answer = await browser.ask(action, { method: 'POST', body: new URLSearchParams({ xsrf, logout: 'yes' }) })
  return answer.headers.get('location')
}
