import { Type } from '@sinclair/typebox'
import type { http } from './http.ts'
import { BadSetting, isLoopback, variableName, type Values } from './setting.ts'

/** Authentication, rights and logins of users. */
export const access = {
  auth: Type.Union([Type.Literal('none'), Type.Literal('keys'), Type.Literal('oidc')], {
    default: 'none',
    description: 'How users authenticate: not at all, so that everybody is one local user (none); with an API key (keys); with an API key or through an OpenID Connect provider (oidc)'
  }),
  allowInsecure: Type.Boolean({ default: false, description: 'Allow keys that other machines send over plain http; with EX10_AUTH=none, allow an address or public URL other than loopback, and proxies' }),
  oidcIssuer: Type.String({ default: '', description: 'Address of the provider, exactly as in the `iss` of its tokens: https' }),
  oidcClientId: Type.String({ default: '', description: 'Client id of this server at the provider' }),
  oidcClientSecretFile: Type.String({
    default: '',
    pattern: '^(/[^\\0\\n]+)?$',
    wanted: 'an absolute path, such as /etc/ex10/client-secret',
    description: 'File with the client secret, which only root may be able to read; empty: this server is a public client'
  }),
  oidcScopes: Type.Array(Type.String({ pattern: '^[!#-[\\]-~]+$', wanted: 'scopes without spaces, such as openid' }), {
    default: ['openid', 'profile'],
    description: 'Scopes that a login requests of the provider'
  }),
  oidcUserClaim: Type.String({
    default: 'sub',
    minLength: 1,
    description: 'The claim with the user\'s name. Choose one that people cannot change, or they can take over each other\'s sessions'
  }),
  oidcRoleClaim: Type.String({
    default: '',
    description: 'The claim with the roles or groups of the user, such as `groups` or `realm_access.roles`'
  }),
  oidcUserRole: Type.String({
    default: '',
    description: 'Role that a user must have to use the server; empty: every user of the provider may use it'
  }),
  oidcAdminRole: Type.String({ default: '', description: 'Role that makes a user an admin; empty: no role does' }),
  oidcAudience: Type.String({
    default: '',
    description: 'The `aud` of access tokens that programs send as bearer tokens; empty: the server accepts no access tokens'
  }),
  loginIdleTimeout: Type.Integer({
    minimum: 1,
    default: 28_800,
    description: 'How long a browser stays logged in without any request, seconds'
  }),
  loginTimeout: Type.Integer({ minimum: 1, default: 86_400, description: 'How long a browser stays logged in at most, seconds' }),
  bindLogin: Type.Array(Type.Union([Type.Literal('fingerprint'), Type.Literal('ip')]), {
    default: [],
    description: 'A login ends when one of these changes: the browser\'s headers User-Agent and Accept-Language (fingerprint), its address (ip)'
  })
}

type Config = Values<typeof access & typeof http>

export function checkAccess (config: Config): void {
  if (config.auth === 'none' && !config.allowInsecure) refuseOthers(config)
  if (config.auth === 'oidc') checkProvider(config)
  else checkNoProvider(config)
}

/** Refuses settings by which others than the one local user reach the server: each of them would be an admin. */
function refuseOthers ({ host, publicUrl, trustProxy }: Config): void {
  const refuse = (name: string, value: string, instead: string) => {
    throw new BadSetting(`${name}=${value} cannot be used: with EX10_AUTH=none, all people who reach the server are admins; set EX10_AUTH=keys or oidc, ${instead}, or set EX10_ALLOW_INSECURE=1`)
  }
  if (!isLoopback(host)) refuse('EX10_HOST', host, 'bind to 127.0.0.1')
  if (publicUrl && !isLoopback(new URL(publicUrl).hostname)) refuse('EX10_PUBLIC_URL', publicUrl, 'remove it')
  if (trustProxy.length > 0) refuse('EX10_TRUST_PROXY', trustProxy.join(), 'remove it')
}

function checkProvider (config: Config): void {
  const missing = (['oidcIssuer', 'oidcClientId', 'publicUrl'] as const).filter(key => config[key] === '').map(variableName)
  if (missing.length > 0) throw new BadSetting(`EX10_AUTH=oidc cannot be used: the server sends people to the provider and back; set ${missing.join(' and ')}`)
  const issuer = URL.parse(config.oidcIssuer)
  if (!issuer || issuer.search || issuer.hash || !(issuer.protocol === 'https:' || (issuer.protocol === 'http:' && isLoopback(issuer.hostname)))) {
    throw new BadSetting(`EX10_OIDC_ISSUER=${config.oidcIssuer} cannot be used: give an https address without a query, such as https://login.example.org; http is for loopback only`)
  }
  if (!config.oidcScopes.includes('openid')) throw new BadSetting(`EX10_OIDC_SCOPES=${config.oidcScopes} cannot be used: without the scope openid the provider does not say who logs in; add it`)
  for (const key of ['oidcUserRole', 'oidcAdminRole'] as const) {
    if (config[key] && !config.oidcRoleClaim) throw new BadSetting(`${variableName(key)}=${config[key]} cannot be used: set EX10_OIDC_ROLE_CLAIM to the claim that holds the roles`)
  }
  if (config.oidcAudience === config.oidcClientId) {
    throw new BadSetting(`EX10_OIDC_AUDIENCE=${config.oidcAudience} cannot be used: ID tokens have the client id as their audience, so the server would accept them as access tokens; give access tokens another audience`)
  }
}

/** Refuses settings of the provider without EX10_AUTH=oidc: the operator expects logins, and the server would have none. */
function checkNoProvider (config: Config): void {
  for (const [key, schema] of Object.entries(access)) {
    const value = config[key as keyof Config]
    if (key.startsWith('oidc') && String(value) !== String(schema.default)) throw new BadSetting(`${variableName(key)}=${value} cannot be used: it goes with EX10_AUTH=oidc only; set that, or remove it`)
  }
}
