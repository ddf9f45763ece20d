import { PassThrough } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { peerOf } from '#domain/http/peer.ts'
import { contextOf } from '#domain/memory/context.ts'
import type { Remember } from '#domain/sessions/remembered.ts'
import type { FirstFiles } from '#domain/sessions/capabilities.ts'
import type { KeyedRequest } from '#domain/session.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'
import { Ex10Error, failure, failureOf } from '#errors.ts'
import type { ProgressLine } from '#schemas/progress.ts'
import type { CreateSessionOptions } from '#schemas/session.ts'
import { displayUrlOf } from './display-url.ts'

/** The creation that a request wants. */
export interface WantedCreation {
  options: CreateSessionOptions
  /** The session's first files, in place of the template's. */
  own?: FirstFiles | undefined
  /** Of a request with an Idempotency-Key. */
  request?: KeyedRequest | undefined
  /** Finds the earlier session that the new one goes on from. */
  remember?: Remember | undefined
  /** Called once, when the first files are no longer needed. */
  release?: () => void
}

/** The types of answers, the default first. */
const [STREAM, ONE_ANSWER] = ['application/x-ndjson', 'application/json; charset=utf-8']
const UNREAD_MS = 10_000
/** The time after which the kernel probes whether a silent client is still there. */
const KEEP_ALIVE_MS = 15_000

/** Answers with one JSON object or with the lines of the creation, as the client accepts. */
export async function answerInKind (app: FastifyInstance, wanted: WantedCreation, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const isOne = request.accepts().type([STREAM, ONE_ANSWER]) === ONE_ANSWER
  return isOne ? await answerCreation(app, wanted, request, reply) : await streamCreation(app, wanted, request, reply)
}

/** Tells caches that the answer depends on `Accept`, besides what it depends on already. */
export async function vary (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.header('vary', ['Accept', reply.getHeader('vary') ?? []].flat().join(', '))
}

/**
 * Answers with the lines of a creation, one JSON object a line, one write a line. The creation does not wait for its
 * reader. A reader that reads nothing for 10 s counts as gone, as does one that closes the connection, or whose credential
 * ends. When all readers of a creation, queued or running, have gone, it is undone.
 * @throws {Ex10Error} for refusals, before the stream begins
 */
export async function streamCreation (app: FastifyInstance, wanted: WantedCreation, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const creation = await join(app, wanted, request, reply)
  const lines = new PassThrough()
  write(completed(app, creation, request), lines).catch(err => {
    request.log.warn({ err }, 'progress stream broke off')
    lines.destroy()
  })
  return reply.type('application/x-ndjson').send(lines)
}

/**
 * Answers with one JSON object when the session is ready. A client that closes the connection, or whose credential ends,
 * counts as gone, as above.
 * @throws {Ex10Error} for refusals, and for a creation that failed, when nothing of it is left
 */
export async function answerCreation (app: FastifyInstance, wanted: WantedCreation, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { socket } = request.raw
  socket.setTimeout(0) // the wait may be longer than connections are silent otherwise; Node sets the limit again for the next request
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  for await (const { status, data } of completed(app, await join(app, wanted, request, reply), request)) {
    if (status === 'error') throw failureOf(data)
    if (status === 'complete') return reply.code(201).header('location', app.publicAddress.path(`/sessions/${data.sessionId}`)).send(data)
  }
  throw failure('INTERNAL') // a creation has a last line
}

async function join (app: FastifyInstance, wanted: WantedCreation, request: FastifyRequest, reply: FastifyReply): Promise<AsyncIterable<ProgressLine>> {
  const requester = { user: request.principal.user, ...peerOf(request), isAuthenticated: request.credential.kind !== 'none', context: contextOf(request.headers) }
  const gone = AbortSignal.any([request.gone, watchCaller(request, reply)])
  return await app.sharedCreations.join({ ...wanted, requester }, gone, request.log)
}

/** The lines for this caller: `complete` gets the caller's own `displayUrl`, and the reason why the caller has gone becomes an `error` line. */
async function * completed (app: FastifyInstance, lines: AsyncIterable<ProgressLine>, request: FastifyRequest): AsyncGenerator<ProgressLine, void, undefined> {
  try {
    for await (const line of lines) {
      yield line.status === 'complete' ? { ...line, data: { ...line.data, ...displayUrlOf(app, request, line.data.sessionId) } } : line
    }
  } catch (error) {
    if (!(error instanceof Ex10Error)) throw error
    const { message, code } = error
    yield { status: 'error', data: { message, code } }
  }
}

async function write (lines: AsyncIterable<ProgressLine>, out: PassThrough): Promise<void> {
  for await (const line of lines) {
    if (out.destroyed) continue // the signal aborts the creation, which undoes the session and ends
    out.write(JSON.stringify(line) + '\n') // a creation has few lines: unread ones fit in memory
  }
  out.end()
}

/** Aborts when the reader has read nothing for 10 s although there is something to read, or when its credential has ended. */
function watchCaller ({ credential, log }: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  let takenAt = performance.now()
  const over = new AbortController()
  every(1000, async () => {
    if (reply.raw.writableLength === 0) takenAt = performance.now()
    else if (performance.now() - takenAt > UNREAD_MS) gone.abort(failure('CLIENT_GONE'))
    try {
      if (!await credential.holds()) gone.abort(failure('UNAUTHENTICATED'))
    } catch (err) {
      if (isUnavailable(err)) gone.abort(err) // it has not been checked for ten minutes
      else log.error({ err }, 'credential check failed') // a locked database, say: the next check tries again
    }
  }, over.signal).catch(err => gone.abort(err))
  if (reply.raw.closed) over.abort()
  else reply.raw.once('close', () => over.abort())
  return gone.signal
}
