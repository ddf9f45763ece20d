import fp from 'fastify-plugin'
import type { FastifyError, FastifyInstance } from 'fastify'
import { Ex10Error, failure } from '../src/errors.ts'
import type { ErrorReply } from '../src/schemas/common.ts'

/** Answers every error in the one form; what no caller can act on is logged, and shown only as having happened. */
async function errorReplies (app: FastifyInstance): Promise<void> {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = toShown(error)
    if (shown.statusCode >= 500) request.log.error({ err: error }, 'request failed')
    if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', shown.retryAfterSeconds)
    return reply.code(shown.statusCode).send(toReply(shown))
  })
  app.setNotFoundHandler((request, reply) => {
    const error = failure('NOT_FOUND')
    return reply.code(error.statusCode).send(toReply(error))
  })
}

function toReply ({ code, message, statusCode, details }: Ex10Error): ErrorReply {
  return { success: false, code, message, statusCode, ...(details && { details }) }
}

function toShown (error: FastifyError): Ex10Error {
  if (error instanceof Ex10Error) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return failure('TOO_LARGE')
  if (error.validation) {
    const [first] = error.validation
    const field = [first?.instancePath.slice(1).replaceAll('/', '.'), first?.params.missingProperty ?? first?.params.additionalProperty].filter(Boolean).join('.')
    return failure('BAD_REQUEST', { message: error.message, details: { in: error.validationContext, field } })
  }
  // malformed JSON, an unsupported media type: Fastify's own words, which are safe to show
  if (error.statusCode !== undefined && error.statusCode < 500) return failure('BAD_REQUEST', { message: error.message })
  return failure('INTERNAL', { cause: error })
}

export default fp(errorReplies, { name: 'error-replies' })
