import fp from 'fastify-plugin'
import type { FastifyError, FastifyInstance, FastifySchemaValidationError } from 'fastify'
import { Ex10Error, failure, shownAs, toReply } from '#errors.ts'

/** Answers every error in the one form. An error that no client can act on is logged, and the answer does not show its cause. */
async function errorReplies (app: FastifyInstance): Promise<void> {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = toShown(error)
    if (shown.statusCode >= 500) request.log.error({ err: error }, 'request failed')
    if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', shown.retryAfterSeconds)
    return reply.code(shown.statusCode).send(toReply(shown))
  })
  // ignore an `Expect` header that we cannot meet (RFC 9110, 10.1.1) and answer normally
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))
  app.setNotFoundHandler((request, reply) => {
    const error = failure('NOT_FOUND')
    return reply.code(error.statusCode).send(toReply(error))
  })
}

function depth ({ instancePath, keyword }: FastifySchemaValidationError): number {
  return instancePath.split('/').length - (keyword === 'anyOf' ? 0.5 : 0)
}

/** The allowed values in words, for a value that must be one of several constants. */
function allowedIn (errors: FastifySchemaValidationError[], first?: FastifySchemaValidationError): string | undefined {
  const constants = errors.filter(({ keyword, instancePath }) => keyword === 'const' && instancePath === first?.instancePath)
  return first?.keyword === 'const' && constants.length > 1 ? `must be one of ${constants.map(({ params }) => params.allowedValue).join(', ')}` : undefined
}

function toShown (error: FastifyError): Ex10Error {
  if (error instanceof Ex10Error) return error
  if (String(error.code).startsWith('FST_CSRF_')) return failure('CSRF')
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return failure('TOO_LARGE')
  if (error.validation) {
    // where a schema allows several forms, the deepest error belongs to the form that the client meant
    const [first] = error.validation.toSorted((a, b) => depth(b) - depth(a))
    const field = [first?.instancePath.slice(1).replaceAll('/', '.'), first?.params.missingProperty ?? first?.params.additionalProperty].filter(Boolean).join('.')
    const message = `${error.validationContext}${first?.instancePath.replaceAll('/', '.')} ${allowedIn(error.validation, first) ?? first?.message}`
    return failure('BAD_REQUEST', { message, details: { in: error.validationContext, field } })
  }
  // malformed JSON, an unsupported media type: Fastify's own messages, which are safe to show
  if (error.statusCode !== undefined && error.statusCode < 500) return failure('BAD_REQUEST', { message: error.message })
  return shownAs(error, 'INTERNAL')
}

export default fp(errorReplies, { name: 'error-replies' })
