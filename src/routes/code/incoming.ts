import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { hashesOf } from '#domain/code/entity-tags.ts'
import type { Conditions } from '#domain/code/file-changes.ts'
import { clientOf } from '#domain/access/login.ts'
import { Ex10Error, failure, type ErrorName } from '#errors.ts'

/** Takes bodies as they come, whatever they say that they are: for routes that read them to their end, and count. */
export function takesAnyBody (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}

/**
 * The content that a request brings, of at most so many bytes; beyond, it throws the error called `tooLarge`. What
 * whoever sends it may do is looked at again when it is here: it may have been minutes on its way.
 */
export function incoming (app: FastifyInstance, request: FastifyRequest, most: number, tooLarge: ErrorName) {
  if (Number(request.headers['content-length'] ?? 0) > most) throw failure(tooLarge)
  return {
    content: piecesOf(request, most, tooLarge),
    signal: request.gone,
    async mayGoOn () {
      if (!await request.credential.holds(clientOf(request.headers, request.ip))) throw failure('UNAUTHENTICATED')
      const { id } = request.params as { id?: string }
      if (id !== undefined) app.rights.readySession(request.principal, id)
    }
  }
}

async function * piecesOf ({ body, raw }: FastifyRequest, most: number, tooLarge: ErrorName): AsyncGenerator<Buffer, void, undefined> {
  if (!(body instanceof Readable)) return // there is none
  let bytes = 0
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      bytes += piece.length
      if (bytes > most) throw failure(tooLarge)
      yield piece
    }
  } catch (cause) {
    throw raw.destroyed && !raw.complete ? failure('CLIENT_GONE', { cause }) : cause
  } finally {
    body.resume() // what is not wanted is read all the same: on a connection that is destroyed, or blocked, no answer is read
  }
}

/** What the file must be, for the request to be done. */
export function conditionsOf ({ 'if-match': match, 'if-none-match': noneMatch }: FastifyRequest['headers']): Conditions {
  const [ifMatch, ifNoneMatch] = [hashesOf(match), hashesOf(noneMatch)]
  return { ...(ifMatch && { ifMatch }), ...(ifNoneMatch && { ifNoneMatch }) }
}

/** What was asked for; whoever named a file that is not there hears 404, as of anything that is not there. */
export async function found<T> (asked: Promise<T>): Promise<T> {
  return await asked.catch((error: unknown) => {
    if (error instanceof Ex10Error && error.code === 'EX10_PATH_NOT_FOUND') throw failure('FILE_NOT_FOUND', { cause: error })
    throw error
  })
}
