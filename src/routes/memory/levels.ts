import type { TSchema } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Author, StatePath } from '#domain/memory/state.ts'
import type { Outcome } from '#domain/memory/kept-state.ts'
import { CategoryParams, State, StateCategory, StateParams, StateValue, ValueParams, type StateChanged } from '#schemas/state.ts'

interface Level { url: string, name: string, of: string, params: TSchema, content: TSchema, bodyLimit: number }

const MIB = 1024 * 1024
const base = '/sessions/:id/state'

/** The three kinds of addresses of the state, and what is there. Bodies may have more bytes than what is kept: white space and escapes. */
export const LEVELS: Level[] = [
  { url: base, name: 'State', of: 'all of the state', params: StateParams, content: State, bodyLimit: 8 * MIB },
  { url: `${base}/:category`, name: 'StateCategory', of: 'a category of the state', params: CategoryParams, content: StateCategory, bodyLimit: 8 * MIB },
  { url: `${base}/:category/:key`, name: 'StateValue', of: 'a value of the state', params: ValueParams, content: StateValue, bodyLimit: MIB }
]

export function pathOf ({ params }: FastifyRequest): StatePath {
  const { category, key } = params as StatePath
  return { category, key }
}

export function authorOf ({ principal, credential }: FastifyRequest): Author {
  return { user: principal.user, credential: credential.kind }
}

export function changed (reply: FastifyReply, { version, at, tag, changes }: Outcome): StateChanged {
  if (tag !== undefined) reply.header('etag', `"${tag}"`)
  return { success: true, message: changes.length === 0 ? 'The state is so already' : 'State changed', version, at, changes: changes.length }
}
