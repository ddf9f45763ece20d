import { finished, PassThrough } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { peerOf } from '#domain/http/peer.ts'
import type { FirstFiles } from '#domain/sessions/capabilities.ts'
import { failure } from '#errors.ts'
import type { ProgressLine } from '#schemas/progress.ts'
import type { CreateSessionOptions } from '#schemas/session.ts'

const UNREAD_MS = 10_000

/**
 * Answers with the lines of a creation, one JSON object a line, one write a line. The creation does not wait for its
 * reader. A reader that reads nothing for 10 s counts as gone, as does one that closes the connection. A creation, queued or
 * running, is undone when its credential ends. `own` are the session's first files, in place of the template's.
 * @throws {Ex10Error} for refusals, before the stream begins
 */
export async function streamCreation (app: FastifyInstance, options: CreateSessionOptions, request: FastifyRequest, reply: FastifyReply, own?: FirstFiles): Promise<FastifyReply> {
  const requester = { user: request.principal.user, ...peerOf(request), isAuthenticated: request.credential.kind !== 'none' }
  const admission = await app.creations.admit(requester, options, own)
  const lines = new PassThrough()
  const gone = AbortSignal.any([request.gone, watchCaller(request, reply)])
  write(app.creations.create(admission, gone, request.log), lines).catch(err => {
    request.log.warn({ err }, 'progress stream broke off')
    lines.destroy()
  })
  return reply.type('application/x-ndjson').send(lines)
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
      log.error({ err }, 'credential check failed') // a locked database, say: the next check tries again
    }
  }, over.signal).catch(err => gone.abort(err))
  finished(reply.raw, () => over.abort()) // called at once if the connection is closed already
  return gone.signal
}
