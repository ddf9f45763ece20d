import fp from 'fastify-plugin'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { RouteMethods } from '#domain/http/route-methods.ts'
import { Ex10Error, failure, shownAs, toReply } from '#errors.ts'

/** Answers every error in the one form. An error that no client can act on is logged, and the answer does not show its cause. */
async function errorReplies (app: FastifyInstance): Promise<void> {
  const methods = new RouteMethods()

  app.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) methods.add(name, url)
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const shown = toShown(error, request, reply)
    if (isRefusal(error)) request.log.info({ code: error.code }, 'request refused')
    else if (shown.statusCode >= 500) request.log.error({ err: error }, 'request failed')
    if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', shown.retryAfterSeconds)
    return reply.code(shown.statusCode).send(toReply(shown))
  })
  // ignore an `Expect` header that we cannot meet (RFC 9110, 10.1.1) and answer normally
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))
  // before the body, which may be of any type; after the hooks that let pages of other origins read the answer
  app.addHook('preParsing', async (request, reply) => { if (request.is404) throw missing(request, reply) })
  app.setNotFoundHandler((request, reply) => { throw missing(request, reply) })

  function missing ({ method, url }: FastifyRequest, reply: FastifyReply): Ex10Error {
    const allowed = methods.of(url)
    if (allowed.length === 0 || allowed.includes(method)) return failure('NOT_FOUND')
    const allow = allowed.join(', ')
    reply.header('allow', allow)
    return failure('METHOD_NOT_ALLOWED', { message: `This address takes no ${method}: use ${allow}`, details: { allow: allowed } })
  }
}

function toShown (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Ex10Error {
  if (error instanceof Ex10Error) return error
  if (String(error.code).startsWith('FST_CSRF_')) return failure('CSRF')
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return failure(request.routeOptions.config.tooLarge ?? 'TOO_LARGE')
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return wrongType(request, reply)
  if (error.validation) {
    // where a schema allows several forms, the deepest error belongs to the form that the client meant
    const [first] = error.validation.toSorted((a, b) => depth(b) - depth(a))
    const field = [first?.instancePath.slice(1).replaceAll('/', '.'), first?.params.missingProperty ?? first?.params.additionalProperty].filter(Boolean).join('.')
    const message = `${error.validationContext}${first?.instancePath.replaceAll('/', '.')} ${allowedIn(error.validation, first) ?? first?.message}`
    return failure('BAD_REQUEST', { message, details: { in: error.validationContext, field } })
  }
  // malformed JSON, a path that leaves a folder of files: the framework's own messages, which are safe to show
  const { statusCode, message } = error
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return failure('BAD_REQUEST', { message, statusCode })
  const shown = shownAs(error, 'INTERNAL')
  return shown.code === 'EX10_INTERNAL' ? failure('INTERNAL', { message: `The server failed: its log has the cause, under the request id ${request.id}`, details: { requestId: request.id } }) : shown
}

/** Tells whether the error was thrown to refuse the request, and has no other error behind it that an operator should read. */
function isRefusal (error: Error): error is Ex10Error {
  return error instanceof Ex10Error && error.cause === undefined
}

function depth ({ instancePath, keyword }: FastifySchemaValidationError): number {
  return instancePath.split('/').length - (keyword === 'anyOf' ? 0.5 : 0)
}

/** The allowed values in words, for a value that must be one of several constants. */
function allowedIn (errors: FastifySchemaValidationError[], first?: FastifySchemaValidationError): string | undefined {
  const constants = errors.filter(({ keyword, instancePath }) => keyword === 'const' && instancePath === first?.instancePath)
  return first?.keyword === 'const' && constants.length > 1 ? `must be one of ${constants.map(({ params }) => params.allowedValue).join(', ')}` : undefined
}

/** The refusal of a body by its content-type. It names those that the route takes. */
function wrongType ({ headers, routeOptions: { schema } }: FastifyRequest, reply: FastifyReply): Ex10Error {
  const { consumes, body } = (schema ?? {}) as { consumes?: string[], body?: { content?: Record<string, unknown> } }
  const accept = consumes ?? Object.keys(body?.content ?? { 'application/json': {} })
  reply.header('accept', accept.join(', '))
  const fault = headers['content-type'] === undefined ? 'The body has no content-type' : 'The body\'s content-type cannot be used here'
  return failure('UNSUPPORTED_MEDIA_TYPE', { message: `${fault}: send ${accept.join(' or ')}`, details: { accept } })
}

export default fp(errorReplies, { name: 'error-replies' })
