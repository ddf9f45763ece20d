import { isIP } from 'node:net'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { portRanges } from './domain/machine/slots.ts'
import { parseFailpoint } from './domain/sessions/failpoint.ts'
import { StartRefused } from './errors.ts'

const port = (options: object) => Type.Integer({ minimum: 1, maximum: 65535, ...options })
const seconds = (options: object) => Type.Number({ minimum: 0, maximum: 31_536_000, ...options })
const list = (options: object) => Type.Array(Type.String(), { default: [], ...options })

/**
 * Every setting. The variable's name is `EX10_` and the key in capitals (`portBase` is `EX10_PORT_BASE`); lists are
 * separated by commas. The README's table of settings is checked against this.
 */
export const Config = Type.Object({
  host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on' }),
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 3001, description: 'Port to listen on; 0 takes a free one' }),
  dataDir: Type.String({ default: '/var/lib/ex10', pattern: '^/[^\\0\\n,]+$', description: 'Root-owned folder for the registry, homes, logs and template stores' }),
  instance: Type.String({ default: 'ex10', pattern: '^ex10[a-z0-9_]{0,12}$', description: 'Name of this server on the machine: its firewall rules, cgroups and claim' }),
  logLevel: Type.Union(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map(level => Type.Literal(level)), { default: 'info', description: 'The least severe level that is logged' }),
  store: Type.Literal('sqlite', { default: 'sqlite', description: 'Where the registry is kept' }),
  portBase: port({ minimum: 2024, maximum: 64000, default: 9000, description: 'Display port of slot 0; dev servers are 1000 below, DevTools 1000 above' }),
  slots: Type.Integer({ minimum: 1, maximum: 501, default: 501, description: 'How many sessions can live at once' }),
  maxSessions: Type.Integer({ minimum: 0, default: 0, description: 'How many sessions there may be; 0 means as many as there are slots' }),
  maxSessionsPerUser: Type.Integer({ minimum: 0, default: 0, description: 'How many sessions a user may have; 0 means 10 where users log in, and no such limit with EX10_AUTH=none' }),
  whenFull: Type.Union([Type.Literal('refuse'), Type.Literal('queue'), Type.Literal('evict-oldest')], { default: 'refuse', description: 'How the server treats a creation beyond these limits: `refuse` it, let it wait in a `queue`, or `evict-oldest` to end its user\'s oldest session first' }),
  queueLength: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many creations may wait' }),
  queueTimeout: Type.Number({ minimum: 1, maximum: 86_400, default: 300, description: 'How long a creation may wait, seconds' }),
  uidMin: Type.Integer({ minimum: 1000, maximum: 4_000_000_000, default: 65600, description: 'First uid of the sessions\' range' }),
  uidMax: Type.Integer({ minimum: 1000, maximum: 4_000_000_000, default: 99999, description: 'Last uid of the sessions\' range' }),
  template: Type.String({ default: 'vanilla', pattern: '^[a-z0-9-]+$', description: 'Template of a session whose creation names none' }),
  npmRegistry: Type.String({ default: '', pattern: '^(https?://[^\\s]+)?$', description: 'npm registry that projects install from; empty: npm\'s default' }),
  firewall: Type.Union([Type.Literal('auto'), Type.Literal('nftables'), Type.Literal('iptables')], { default: 'auto', description: 'Firewall backend: nftables (auto, too), or iptables for hosts without it' }),
  origins: list({ description: 'Origins of web front ends that may create, push to and end sessions, and frame the display' }),
  publicUrl: Type.String({ default: '', pattern: '^(https?://[^/\\s]+)?$', description: 'The address that people use, when a proxy is in front' }),
  trustProxy: list({ description: 'Addresses or CIDR ranges of the proxies whose X-Forwarded-* headers the server trusts' }),
  homeSize: Type.Integer({ minimum: 64, default: 2048, description: 'Size of a session\'s home, MiB' }),
  sessionMemory: Type.Integer({ minimum: 256, default: 2048, description: 'Memory limit of a session, MiB' }),
  sessionPids: Type.Integer({ minimum: 128, default: 1024, description: 'Limit of processes and threads of a session' }),
  sessionCpu: Type.Number({ minimum: 0.1, default: 2, description: 'CPU limit of a session, cores' }),
  stepTimeout: Type.Number({ minimum: 1, maximum: 600, default: 30, description: 'How long one step of a creation or of a teardown may take, seconds' }),
  idleTimeout: seconds({ default: 3600, description: 'How long a session lives without being used, seconds; 0 is for ever' }),
  sessionTimeout: seconds({ default: 0, description: 'How long a session lives at most, seconds; 0 is for ever' }),
  connectTimeout: seconds({ default: 600, description: 'How long a new session waits to be viewed or used for the first time, seconds; 0 is for ever' }),
  expiryWarning: seconds({ default: 60, description: 'How long before such an end the session warns of it, seconds; 0 means no warning' }),
  checkInterval: Type.Number({ minimum: 0.2, maximum: 3600, default: 60, description: 'How often all sessions are checked for expiry, seconds. A session that is due is checked on time' }),
  viewerCounts: Type.Boolean({ default: false, description: 'A session with a viewer counts as used, even when the viewer does nothing' }),
  onShutdown: Type.Union([Type.Literal('end'), Type.Literal('keep')], { default: 'end', description: 'How the server treats live sessions at SIGTERM: `end` them, or `keep` them for the next start' }),
  sessionPath: Type.Array(Type.String({ pattern: '^/[^\\0\\n:]*$' }), { default: [], description: 'Absolute folders that are searched first for the programs of a session' }),
  auth: Type.Union([Type.Literal('none'), Type.Literal('keys'), Type.Literal('oidc')], { default: 'none', description: 'How users authenticate: not at all, so that everybody is one local user (none); with an API key (keys); with an API key or through an OpenID Connect provider (oidc)' }),
  oidcIssuer: Type.String({ default: '', description: 'Address of the provider, exactly as in the `iss` of its tokens: https' }),
  oidcClientId: Type.String({ default: '', description: 'Client id of this server at the provider' }),
  oidcClientSecretFile: Type.String({ default: '', pattern: '^(/[^\\0\\n]+)?$', description: 'File with the client secret, which only root may be able to read; empty: this server is a public client' }),
  oidcScopes: Type.Array(Type.String({ pattern: '^[!#-[\\]-~]+$' }), { default: ['openid', 'profile'], description: 'Scopes that a login requests of the provider' }),
  oidcUserClaim: Type.String({ default: 'sub', minLength: 1, description: 'The claim with the user\'s name. Choose one that people cannot change, or they can take over each other\'s sessions' }),
  oidcRoleClaim: Type.String({ default: '', description: 'The claim with the roles or groups of the user, such as `groups` or `realm_access.roles`' }),
  oidcUserRole: Type.String({ default: '', description: 'Role that a user must have to use the server; empty: every user of the provider may use it' }),
  oidcAdminRole: Type.String({ default: '', description: 'Role that makes a user an admin; empty: no role does' }),
  oidcAudience: Type.String({ default: '', description: 'The `aud` of access tokens that programs send as bearer tokens; empty: the server accepts no access tokens' }),
  createRate: Type.Integer({ minimum: 0, default: 60, description: 'Limit of creations a minute, per user and address; 0: no limit' }),
  failureRate: Type.Integer({ minimum: 1, default: 30, description: 'Limit a minute, per address: wrong keys, tokens and links and failed provider logins, counted together; logins with one key' }),
  loginIdleTimeout: Type.Integer({ minimum: 1, default: 28_800, description: 'How long a browser stays logged in without any request, seconds' }),
  loginTimeout: Type.Integer({ minimum: 1, default: 86_400, description: 'How long a browser stays logged in at most, seconds' }),
  bindLogin: Type.Array(Type.Union([Type.Literal('fingerprint'), Type.Literal('ip')]), { default: [], description: 'A login ends when one of these changes: the browser\'s headers User-Agent and Accept-Language (fingerprint), its address (ip)' }),
  allowInsecure: Type.Boolean({ default: false, description: 'Allow an address other than loopback with EX10_AUTH=none' }),
  strict: Type.Boolean({ default: false, description: 'Refuse to start where the kernel cannot limit a session\'s home, memory, processes and CPU' }),
  failpoint: Type.String({ default: '', description: 'For tests: `<step>:<before|after>:<throw|hang|kill9|enospc>` makes that step of a creation or a teardown go wrong, once' })
}, { additionalProperties: false })
export type Config = Static<typeof Config>

/** A setting that cannot be used: its message names the variable. */
export class BadSetting extends StartRefused {}

/** The environment variable of a setting: `portBase` -> `EX10_PORT_BASE`. */
export function variableName (key: string): string {
  return 'EX10_' + key.replace(/[A-Z]/g, capital => '_' + capital).toUpperCase()
}

/**
 * Reads every setting from `env`, with defaults for what is absent or empty.
 * @throws {BadSetting} naming the variable, for a value of the wrong type or range, or one that does not go with another
 */
export function readConfig (env: Record<string, string | undefined>): Config {
  const raw: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(Config.properties)) {
    const text = env[variableName(key)]?.trim()
    if (text) raw[key] = fromText(schema, text)
  }
  const config = Value.Default(Config, raw)
  const error = Value.Errors(Config, config).First()
  if (error) throw new BadSetting(describe(error.path.split('/')[1] ?? '', env))
  checkTogether(config as Config)
  return config as Config
}

function fromText (schema: TSchema, text: string): unknown {
  if (schema.type === 'array') return text.split(',').map(part => part.trim()).filter(Boolean)
  if (schema.type === 'boolean') return { 1: true, true: true, 0: false, false: false }[text] ?? text
  if (schema.type === 'integer' || schema.type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  return text
}

function describe (key: string, env: Record<string, string | undefined>): string {
  const schema: TSchema = Config.properties[key as keyof typeof Config.properties]
  const wanted = schema.anyOf
    ? 'one of ' + namesOf(schema)
    : [schema.const ?? schema.type, schema.pattern && `matching ${schema.pattern}`, schema.items?.pattern && `each matching ${schema.items.pattern}`, schema.items?.anyOf && `of ${namesOf(schema.items)}`, schema.minimum !== undefined && `from ${schema.minimum}`,
        schema.maximum !== undefined && `to ${schema.maximum}`].filter(Boolean).join(' ')
  return `${variableName(key)}=${env[variableName(key)]} cannot be used: ${schema.description}; give ${wanted}`
}

const namesOf = (schema: TSchema): string => schema.anyOf.map((option: TSchema) => option.const).join(', ')

function checkTogether (config: Config): void {
  if (config.uidMax - config.uidMin < config.slots) {
    throw new BadSetting(`EX10_UID_MAX=${config.uidMax} cannot be used: the range from EX10_UID_MIN=${config.uidMin} must hold more uids than EX10_SLOTS=${config.slots}`)
  }
  if (config.auth === 'none' && !config.allowInsecure && !isLoopback(config.host)) {
    throw new BadSetting(`EX10_HOST=${config.host} cannot be used: anybody who reaches it could create sessions; set EX10_AUTH=keys or oidc, bind to 127.0.0.1, or set EX10_ALLOW_INSECURE=1`)
  }
  checkPort(config)
  for (const origin of config.origins) checkOrigin('EX10_ORIGINS', origin)
  if (config.publicUrl) checkOrigin('EX10_PUBLIC_URL', config.publicUrl)
  for (const range of config.trustProxy) checkRange(range)
  checkFailpoint(config.failpoint)
  if (config.auth === 'oidc') checkProvider(config)
  else checkNoProvider(config)
  if (/^\/(tmp|run|proc|dev|sys|var\/tmp|var\/run)(\/|$)|\/\.\.?(\/|$)/.test(config.dataDir)) {
    throw new BadSetting(`EX10_DATA_DIR=${config.dataDir} cannot be used: sessions have their own /tmp, /var/tmp, /run, /dev and /proc; give a folder elsewhere, such as /var/lib/ex10`)
  }
}

/** Refuses text that no browser sends as an origin: such a setting would match nothing, or everything. */
function checkOrigin (name: string, text: string): void {
  const url = URL.parse(text)
  if (url && /^https?:$/.test(url.protocol) && url.origin === text) return
  const hint = url && /^https?:$/.test(url.protocol) ? `such as ${url.origin}` : 'such as https://example.com'
  throw new BadSetting(`${name}=${text} cannot be used: give scheme and host, and a port that is not the usual one, ${hint}`)
}

function checkRange (range: string): void {
  const [address = '', bits] = range.split('/')
  const family = isIP(address)
  if (family !== 0 && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))) return
  throw new BadSetting(`EX10_TRUST_PROXY=${range} cannot be used: give addresses or CIDR ranges, such as 10.0.0.0/8`)
}

function checkFailpoint (failpoint: string): void {
  try {
    parseFailpoint(failpoint)
  } catch (cause) {
    throw new BadSetting(`EX10_FAILPOINT=${failpoint} cannot be used: ${(cause as Error).message}`, { cause })
  }
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
  for (const [key, schema] of Object.entries(Config.properties)) {
    const value = config[key as keyof Config]
    if (key.startsWith('oidc') && String(value) !== String(schema.default)) throw new BadSetting(`${variableName(key)}=${value} cannot be used: it goes with EX10_AUTH=oidc only; set that, or remove it`)
  }
}

/** Refuses a server port that one of the slots would need. */
function checkPort ({ port, portBase, slots }: Config): void {
  const range = portRanges(portBase, slots).find(([first, last]) => port >= first && port <= last)
  if (range) throw new BadSetting(`EX10_PORT=${port} cannot be used: sessions have the ports ${range.join('-')}; give another one, or another EX10_PORT_BASE`)
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))
}
