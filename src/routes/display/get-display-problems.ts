import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { clientOf } from '#domain/access/login.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { Problems } from '#schemas/problem.ts'
import { forPage } from './for-page.ts'

const DisplayProblems = Type.Object({ tag: Type.String({ description: 'Changes whenever the problems change' }), problems: Problems }, { title: 'DisplayProblems', description: 'The problems of the extension' })

const Query = Type.Object({
  token: Type.Optional(Type.String({ description: 'The token that the page was loaded with' })),
  known: Type.Optional(Type.String({ maxLength: 64, description: 'The tag of the problems that the page shows' }))
})

/** GET /session/:id/problems: the problems of the extension, for the display page. Waits until they differ from those that the page knows. */
const getDisplayProblems: FastifyPluginAsyncTypebox = async app => {
  forPage(app)
  app.get('/session/:id/problems', {
    exposeHeadRoute: false, // the request may wait for 25 s
    config: { scope: 'everybody' }, // the page's token is the credential
    schema: {
      operationId: 'getDisplayProblems',
      summary: 'The problems of the extension, for the display page: at once if they differ from those that the page knows, else when they change, or after 25 s',
      description: 'The display page asks again and again. A page of a link that only views gets no problems, since they name files and quote code.',
      tags: ['sessions'],
      params: SessionParams,
      querystring: Query,
      response: {
        200: DisplayProblems,
        ...errors(401, 403, 404, 429)
      }
    }
  }, async request => {
    const session = await sessionOf(request)
    await app.problemNews.next(session, request.query.known ?? '', request.gone)
    return app.problemNews.now(await sessionOf(request)) // checked again: the session or the visitor's credential may have ended meanwhile
  })

  async function sessionOf ({ params: { id }, query: { token = '' }, headers, ip }: Asking): Promise<Session> {
    const { mode } = await app.pageTokens.check(token, id, clientOf(headers, ip))
    // problems name files and quote code, which a link that only views the browser does not grant
    if (mode === 'view') throw failure('FORBIDDEN', { message: 'A link that only views a session does not show the problems of its code' })
    return app.sessions.get(id)
  }
}

interface Asking extends Pick<FastifyRequest, 'headers' | 'ip'> { params: { id: string }, query: { token?: string } }

export default getDisplayProblems
