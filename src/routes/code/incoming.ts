import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { hashesOf } from '#domain/code/entity-tags.ts'
import type { Conditions } from '#domain/code/file-changes.ts'
import { clientOf } from '#domain/access/login.ts'
import { Ex10Error, failure, type ErrorName } from '#errors.ts'

/** Accepts bodies of every content-type as streams, for routes that read them to their end and count their bytes. */
export function takesAnyBody (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}

/**
 * The content of a request, of at most `most` bytes; a longer one throws the error called `tooLarge`. `mayGoOn` checks the
 * sender's rights again when the content has arrived, which may take minutes.
 */
export function incoming (app: FastifyInstance, request: FastifyRequest, most: number, tooLarge: ErrorName) {
  if (Number(request.headers['content-length'] ?? 0) > most) throw failure(tooLarge)
  return {
    by: request.principal.user,
    content: piecesOf(request, most, tooLarge, app.traffic.uploaded),
    signal: request.gone,
    async mayGoOn () {
      if (!await request.credential.holds(clientOf(request.headers, request.ip))) throw failure('UNAUTHENTICATED')
      const { id } = request.params as { id?: string }
      if (id !== undefined) app.rights.readySession(request.principal, id)
    }
  }
}

async function * piecesOf ({ body, raw }: FastifyRequest, most: number, tooLarge: ErrorName, note: (bytes: number) => void): AsyncGenerator<Buffer, void, undefined> {
  if (!(body instanceof Readable)) return // the request has no body
  let bytes = 0
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      bytes += piece.length
      note(piece.length)
      if (bytes > most) throw failure(tooLarge)
      yield piece
    }
  } catch (cause) {
    throw raw.destroyed && !raw.complete ? failure('CLIENT_GONE', { cause }) : cause
  } finally {
    body.resume() // reads an unwanted rest to its end: a client could not read the answer on a destroyed or blocked connection
  }
}

/** The state that the file must have for the request to be carried out. */
export function conditionsOf ({ 'if-match': match, 'if-none-match': noneMatch }: FastifyRequest['headers']): Conditions {
  const [ifMatch, ifNoneMatch] = [hashesOf(match), hashesOf(noneMatch)]
  return { ...(ifMatch && { ifMatch }), ...(ifNoneMatch && { ifNoneMatch }) }
}

/** The result of `asked`. A missing path becomes EX10_FILE_NOT_FOUND, so that the answer is 404. */
export async function found<T> (asked: Promise<T>): Promise<T> {
  return await asked.catch((error: unknown) => {
    if (error instanceof Ex10Error && error.code === 'EX10_PATH_NOT_FOUND') throw failure('FILE_NOT_FOUND', { cause: error })
    throw error
  })
}
