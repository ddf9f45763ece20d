import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifyRouteSchemaDef } from 'fastify/types/schema.js'

/** Values in a URL are text, so they are converted to numbers and booleans (1 and 0, too). Values in a JSON body have types, and are not converted. */
export const buildValidator = ((schemas, options) => {
  const forUrls = AjvCompiler()(schemas, options)
  const forBodies = AjvCompiler()(schemas, { customOptions: { ...options?.customOptions, coerceTypes: false } } as typeof options)
  return route => {
    const { httpPart, schema } = route as FastifyRouteSchemaDef<Schema>
    if (schema?.format === 'binary') return () => true // a stream, which is checked while it is read
    return httpPart === 'body' ? forBodies(route) : withFlags(forUrls(route), schema)
  }
}) as ReturnType<typeof AjvCompiler>

interface Schema { format?: string, properties?: Record<string, { type?: string }> }
type Validate = ReturnType<ReturnType<typeof buildValidator>>

const FLAGS = new Map<unknown, string>([['1', 'true'], ['0', 'false']])

function withFlags (validate: Validate, schema: Schema): Validate {
  const flags = Object.entries(schema?.properties ?? {}).filter(([, { type }]) => type === 'boolean').map(([name]) => name)
  if (flags.length === 0) return validate
  const withFlags = ((data: Record<string, unknown>) => {
    for (const name of flags) if (FLAGS.has(data[name])) data[name] = FLAGS.get(data[name])
    const isValid = validate(data)
    withFlags.errors = validate.errors
    return isValid
  }) as Validate
  return withFlags
}
