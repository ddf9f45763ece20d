import { isIP } from 'node:net'
import { Type, type Static, type TObject, type TProperties } from '@sinclair/typebox'
import { StartRefused } from '#errors.ts'

/** The values of a neighbourhood's settings. */
export type Values<Settings extends TProperties> = Static<TObject<Settings>>

/** A setting that cannot be used: its message names the variable, in one line. */
export class BadSetting extends StartRefused {
  constructor (message: string, options?: ErrorOptions) {
    super(message.replace(/\p{Cc}+/gu, ' '), options)
  }
}

/** The environment variable of a setting: `portBase` -> `EX10_PORT_BASE`. Settings that begin with `otel` are OpenTelemetry's own variables. */
export function variableName (key: string): string {
  return (/^otel[A-Z]/.test(key) ? '' : 'EX10_') + key.replace(/[A-Z]/g, capital => '_' + capital).toUpperCase()
}

/** The text of a setting that may hold a password, up to the place where one may begin. */
export function withoutPassword (text: string): string {
  const [beginning = ''] = text.split(/(?<=:)/)
  return beginning === text ? text : `${beginning}…`
}

export const port = (options: object) => Type.Integer({ minimum: 1, maximum: 65535, ...options })
export const seconds = (options: object) => Type.Number({ minimum: 0, maximum: 31_536_000, ...options })
export const list = (options: object) => Type.Array(Type.String(), { default: [], ...options })

export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))
}
