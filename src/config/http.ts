import { isIP } from 'node:net'
import { Type } from '@sinclair/typebox'
import { BadSetting, list, type Values } from './setting.ts'

/** The server's address, the proxy in front of it, the origins that it answers, and its log. */
export const http = {
  host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on' }),
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 3001, description: 'Port to listen on; 0 takes a free one' }),
  publicUrl: Type.String({
    default: '',
    pattern: '^(https?://[^/\\s]+(/[\\w~-][\\w.~-]*)*)?$', // a path that needs no escape in a URL, in HTML or in a cookie
    wanted: 'scheme and host, and perhaps a path, such as https://ex10.example.org or https://example.org/ex10',
    hasNoSlashAtEnd: true, // it is taken off: browsers show one, and paths are appended
    description: 'The address that people use, when a proxy is in front: scheme and host, and the path below which the proxy offers the server'
  }),
  trustProxy: list({ description: 'Addresses or CIDR ranges of the proxies whose X-Forwarded-* headers the server trusts' }),
  origins: list({ description: 'Origins of web front ends that may create, push to and end sessions, and frame the display' }),
  createRate: Type.Integer({
    minimum: 0,
    default: 60,
    description: 'Limit of creations a minute, per user and address; 0: no limit'
  }),
  failureRate: Type.Integer({
    minimum: 1,
    default: 30,
    description: 'Limit a minute, per address: wrong keys, tokens and links and failed provider logins, counted together; logins with one key'
  }),
  logLevel: Type.Union(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map(level => Type.Literal(level)), {
    default: 'info',
    description: 'The least severe level that is logged'
  })
}

export function checkHttp ({ origins, publicUrl, trustProxy }: Values<typeof http>): void {
  for (const origin of origins) checkOrigin('EX10_ORIGINS', origin)
  if (publicUrl) checkOrigin('EX10_PUBLIC_URL', publicUrl.replace(/(?<=[^/:])\/.*/, ''))
  for (const range of trustProxy) checkRange(range)
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
