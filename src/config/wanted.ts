import type { TSchema } from '@sinclair/typebox'

/** The values that a setting, or an item of a list, may have, in words: `1 or 0`, `a whole number from 0 to 65535`. A schema with a pattern has them as `wanted`. */
export function wantedOf (schema: TSchema): string {
  if (schema.wanted) return schema.wanted
  if (schema.anyOf) return either(schema.anyOf.map((option: TSchema) => option.const))
  if (schema.const !== undefined) return schema.const
  if (schema.type === 'boolean') return '1 or 0'
  if (schema.type === 'array') return `${wantedOf(schema.items)}; several have commas between them`
  if (schema.type === 'integer') return `a whole number ${rangeOf(schema)}`
  if (schema.type === 'number') return `a number ${rangeOf(schema)}`
  return 'a text'
}

function either (names: string[]): string {
  return [names.slice(0, -1).join(', '), names.at(-1)].join(' or ')
}

function rangeOf ({ minimum, maximum }: TSchema): string {
  return maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
}
