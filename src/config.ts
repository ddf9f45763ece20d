import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value, type ValueError } from '@sinclair/typebox/value'
import { access, checkAccess } from './config/access.ts'
import { code } from './config/code.ts'
import { checkHttp, http } from './config/http.ts'
import { live } from './config/live.ts'
import { checkMachine, machine } from './config/machine.ts'
import { checkMemory, memory } from './config/memory.ts'
import { checkOperations, operations } from './config/operations.ts'
import { checkPrograms, programs } from './config/programs.ts'
import { checkSessions, sessions } from './config/sessions.ts'
import { BadSetting, variableName, withoutPassword } from './config/setting.ts'
import { refuseUnknown } from './config/unknown.ts'
import { wantedOf } from './config/wanted.ts'

export { BadSetting, variableName } from './config/setting.ts'

/**
 * Every setting, by neighbourhood. The variable's name is `EX10_` and the key in capitals (`portBase` is
 * `EX10_PORT_BASE`); lists are separated by commas. The README's table of settings is checked against this.
 */
export const SETTINGS = { http, machine, programs, live, code, access, operations, memory, sessions }

/** All of them in one object. */
export const Config = Type.Object({ ...http, ...machine, ...programs, ...live, ...code, ...access, ...operations, ...memory, ...sessions }, { additionalProperties: false })
export type Config = Static<typeof Config>

/**
 * Reads every setting from `env`, with defaults for absent and empty ones.
 * @throws {BadSetting} naming the variable, for a value of the wrong type or range, or one that contradicts another, and for a variable that is no setting
 */
export function readConfig (env: Record<string, string | undefined>): Config {
  refuseUnknown(env, Object.keys(Config.properties).map(variableName))
  const raw: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(Config.properties)) {
    const text = env[variableName(key)]?.trim()
    if (text) raw[key] = fromText(schema, text)
  }
  const config = Value.Default(Config, raw)
  const error = Value.Errors(Config, config).First()
  if (error) throw new BadSetting(describe(error, env))
  for (const check of [checkHttp, checkMachine, checkPrograms, checkAccess, checkOperations, checkMemory, checkSessions]) check(config as Config)
  return config as Config
}

/** Every setting with its default and its meaning, one a line. */
export function listSettings (): string {
  return Object.entries(Config.properties).map(([key, schema]: [string, TSchema]) => {
    const standard = typeof schema.default === 'boolean' ? String(Number(schema.default)) : String(schema.default)
    return `  ${(variableName(key) + (standard && `=${standard}`)).padEnd(34)}  ${schema.description}`
  }).join('\n')
}

function fromText (schema: TSchema, text: string): unknown {
  if (schema.type === 'array') return text.split(',').map(part => part.trim()).filter(Boolean)
  if (schema.type === 'boolean') return { 1: true, true: true, 0: false, false: false }[text] ?? text
  if (schema.type === 'integer' || schema.type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  return schema.hasNoSlashAtEnd ? text.replace(/\/$/, '') : text
}

function describe ({ path, value }: ValueError, env: Record<string, string | undefined>): string {
  const [, key = '', item] = path.split('/')
  const schema: TSchema = Config.properties[key as keyof typeof Config.properties]
  const shown = String(item === undefined ? env[variableName(key)] : value)
  return `${variableName(key)}=${schema.holdsPassword ? withoutPassword(shown) : shown} cannot be used: ${schema.description}; give ${wantedOf(schema)}`
}
