import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { FastifyError, FastifyInstance, FastifySchemaValidationError } from 'fastify'
import { Ex10Error, failure, shownAs, toReply, type ErrorName } from '#errors.ts'
import type { ErrorReply } from '#schemas/common.ts'
import { refuseSocket } from '#http/refuse-socket.ts'

/** Answers every error in the one form; what no caller can act on is logged, and shown only as having happened. */
async function errorReplies (app: FastifyInstance): Promise<void> {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = toShown(error)
    if (shown.statusCode >= 500) request.log.error({ err: error }, 'request failed')
    if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', shown.retryAfterSeconds)
    return reply.code(shown.statusCode).send(toReply(shown))
  })
  // one that cannot be met may be passed over: the answer tells
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))
  app.setNotFoundHandler((request, reply) => {
    const error = failure('NOT_FOUND')
    return reply.code(error.statusCode).send(toReply(error))
  })
}

/**
 * Answers what is no HTTP, has too large a head, or comes too slowly, and closes the connection. Nothing is written
 * while the answer to an earlier request is under way: it would be taken for that answer, or for a part of it.
 */
export function refuseMalformed (error: NodeJS.ErrnoException, socket: Socket & { _httpMessage?: ServerResponse<IncomingMessage> | null }): void {
  const underWay = socket._httpMessage
  const isOfEarlier = underWay && (underWay.headersSent || underWay.req.complete)
  if (error.code === 'ECONNRESET' || !socket.writable || isOfEarlier) {
    socket.destroy()
    return
  }
  refuseSocket(socket, failure(malformed(error.code), { details: { reason: error.code } }))
  socket.destroySoon()
}

function malformed (code: string | undefined): ErrorName {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT'
  return 'NOT_HTTP'
}

function depth ({ instancePath, keyword }: FastifySchemaValidationError): number {
  return instancePath.split('/').length - (keyword === 'anyOf' ? 0.5 : 0)
}

/** What a URL gets that names nothing, in the form of the session routes where it is one of theirs. */
export function notFoundReply (url: string): ErrorReply {
  return toReply(failure(/^\/sessions?\//.test(url) ? 'SESSION_NOT_FOUND' : 'NOT_FOUND'))
}

function toShown (error: FastifyError): Ex10Error {
  if (error instanceof Ex10Error) return error
  if (String(error.code).startsWith('FST_CSRF_')) return failure('CSRF')
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return failure('TOO_LARGE')
  if (error.validation) {
    // where several forms are allowed, the error that lies deepest is of the form that was meant
    const [first] = error.validation.toSorted((a, b) => depth(b) - depth(a))
    const field = [first?.instancePath.slice(1).replaceAll('/', '.'), first?.params.missingProperty ?? first?.params.additionalProperty].filter(Boolean).join('.')
    const message = `${error.validationContext}${first?.instancePath.replaceAll('/', '.')} ${first?.message}`
    return failure('BAD_REQUEST', { message, details: { in: error.validationContext, field } })
  }
  // malformed JSON, an unsupported media type: Fastify's own words, which are safe to show
  if (error.statusCode !== undefined && error.statusCode < 500) return failure('BAD_REQUEST', { message: error.message })
  return shownAs(error, 'INTERNAL')
}

export default fp(errorReplies, { name: 'error-replies' })
