import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { displayStateHeaders } from '#pages/display/render.ts'

const TOKEN_BYTES = 1024

/** Prepares the scope of a route that the display page calls: from its opaque origin, the page may read the answer, a refusal too, and send plain text. */
export function forPage (app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => { reply.headers(displayStateHeaders()) })
  // a page may send plain text to another origin without a preflight request
  app.addContentTypeParser('text/plain', { parseAs: 'string', bodyLimit: TOKEN_BYTES }, (_request, body, done) => done(null, body))
}

/** The body of a request that the page authorises with a token. */
export function tokenBody (description: string) {
  return { content: { 'text/plain': { schema: Type.String({ description }) } } }
}

/** The token in the body; empty when there is none. */
export function tokenIn (body: unknown): string {
  return typeof body === 'string' ? body : ''
}
