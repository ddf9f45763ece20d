import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifyRouteSchemaDef } from 'fastify/types/schema.js'

/** What stands in a URL is text, so numbers are read from it; a JSON body says what it means, and nothing is read into it. */
export const buildValidator = ((schemas, options) => {
  const forUrls = AjvCompiler()(schemas, options)
  const forBodies = AjvCompiler()(schemas, { customOptions: { ...options?.customOptions, coerceTypes: false } } as typeof options)
  return route => ((route as FastifyRouteSchemaDef<unknown>).httpPart === 'body' ? forBodies : forUrls)(route)
}) as ReturnType<typeof AjvCompiler>
