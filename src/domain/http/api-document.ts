import { STATUS_CODES } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { codesOf } from '#errors.ts'

type Json = null | boolean | number | string | Json[] | JsonObject
interface JsonObject { [key: string]: Json }

/** The content of every refusal. */
const REFUSAL = { 'application/json': { schema: { $ref: '#/components/schemas/ErrorReply' } } }

/** Not `default`, which some generators take for a success. */
const OTHER_REFUSALS = { '4XX': { $ref: '#/components/responses/Refusal' }, '5XX': { $ref: '#/components/responses/Refusal' } }

/** The part of an OpenAPI document that is changed here. */
export interface ApiDocument { components?: object, paths?: object }

/**
 * Gives everything in the document a name that more than one place uses, or that a person would want a name for: a schema with
 * a title becomes the component of that name, and all refusals with one status become one answer. Every operation may also
 * be refused with a status that it does not list.
 * @throws if two different schemas have the same title
 */
export function withComponents<Document extends ApiDocument> (document: Document): Document {
  const schemas: JsonObject = {}
  const responses: JsonObject = {}

  /** The part with references in place of its schemas that have a title. */
  function named (part: Json): Json {
    if (Array.isArray(part)) return part.map(named)
    if (typeof part !== 'object' || part === null) return part
    const { title, ...schema } = asEnum(Object.fromEntries(Object.entries(part).map(([key, value]) => [key, named(value)])))
    if (title === undefined) return schema
    if (typeof title !== 'string') return { title, ...schema } // a property with this name
    const known = schemas[title] ??= schema
    if (!isSame(known, schema)) throw new Error(`two schemas have the title ${title}: ${JSON.stringify(known)} and ${JSON.stringify(schema)}`)
    return { $ref: `#/components/schemas/${title}` }
  }

  function answer (status: string, reply: Json): Json {
    const shown = named(reply) as JsonObject
    if (!isDeepStrictEqual(shown.content, REFUSAL)) return shown
    const name = (STATUS_CODES[status] ?? `Status${status}`).replace(/\W/g, '')
    responses[name] ??= refusal(codesOf(Number(status)))
    return { $ref: `#/components/responses/${name}` }
  }

  function operation ({ parameters, requestBody, responses: replies, ...rest }: JsonObject): JsonObject {
    const answers = Object.fromEntries(Object.entries(replies as JsonObject).map(([status, reply]) => [status, answer(status, reply)]))
    const body = requestBody && { requestBody: named(withoutDefaults(requestBody)) }
    // last: the description of a parameter's schema is the parameter's, and is missing in the schema
    return { ...rest, ...(parameters && { parameters: named(parameters) }), ...body, responses: { ...answers, ...(!answers.default && OTHER_REFUSALS) } }
  }

  const paths = Object.entries(document.paths as Record<string, Record<string, JsonObject>>).map(([path, item]) =>
    [path, Object.fromEntries(Object.entries(item).map(([method, described]) => [method, operation(described)]))])
  responses.Refusal = { description: 'Any other refusal', content: REFUSAL }
  return { ...document, components: { ...document.components, schemas: sorted(schemas), responses: sorted(responses) }, paths: Object.fromEntries(paths) }
}

/** The one answer to all requests that are refused with a status, which the codes belong to. */
function refusal ({ codes, mayRetry }: ReturnType<typeof codesOf>): JsonObject {
  const headers = { 'Retry-After': { description: 'In how many seconds another attempt may succeed', schema: { type: 'integer' } } }
  return { description: `Refused, with one of the codes ${codes.map(code => `\`${code}\``).join(', ')}`, content: REFUSAL, ...(mayRetry && { headers }) }
}

/** The part of a body with its defaults as words: generators take a property with a `default` for one that is always there. */
function withoutDefaults (part: Json): Json {
  if (Array.isArray(part)) return part.map(withoutDefaults)
  if (typeof part !== 'object' || part === null) return part
  const { default: value, ...rest } = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, withoutDefaults(value)]))
  return value === undefined ? rest : { ...rest, description: `${rest.description}; ${value} if absent` }
}

/** A choice of words as an `enum`, which generators and people read more easily than a union. */
function asEnum (schema: JsonObject): JsonObject {
  const { anyOf, ...rest } = schema
  const words = Array.isArray(anyOf) ? anyOf as JsonObject[] : []
  if (words.length === 0 || !words.every(({ type, enum: values }) => type === 'string' && Array.isArray(values))) return schema
  return { type: 'string', enum: words.flatMap(word => word.enum as Json[]), ...rest }
}

function isSame (one: Json, other: Json): boolean {
  return isDeepStrictEqual({ ...one as JsonObject, description: '' }, { ...other as JsonObject, description: '' })
}

function sorted (components: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(components).sort(([a], [b]) => a < b ? -1 : 1))
}
