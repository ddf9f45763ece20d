import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '#domain/access/login.ts'
import { endToTell } from '#domain/sessions/validity.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { DisplayExpiry, EndedBecause } from '#schemas/expiry.ts'
import { forPage } from './for-page.ts'

const DisplayState = Type.Object({
  state: Type.String({ description: 'The state of the session' }),
  display: Type.Boolean({ description: 'The display answers' }),
  expiry: Type.Optional(DisplayExpiry),
  reason: Type.Optional(EndedBecause)
}, { title: 'DisplayState', description: 'What the display page must know of its session' })

const ANSWER_MS = 2000

/** GET /session/:id/state: the display page reads it after it has lost its connection, and at intervals for the time of the session's end. */
const getDisplayState: FastifyPluginAsyncTypebox = async app => {
  forPage(app)
  app.get('/session/:id/state', {
    config: { scope: 'everybody' }, // the page's token is the credential
    schema: {
      operationId: 'getDisplayState',
      summary: 'The state of the session, for the display page',
      description: 'The display page asks after it has lost its connection, and at intervals for the time of the session\'s end. For an hour after the end, the answer says why the session ended.',
      tags: ['sessions'],
      params: SessionParams,
      querystring: Type.Object({ token: Type.Optional(Type.String({ description: 'The token that the page was loaded with' })) }),
      response: {
        200: DisplayState,
        ...errors(401, 404)
      }
    }
  }, async request => {
    await app.pageTokens.check(request.query.token ?? '', request.params.id, clientOf(request.headers, request.ip))
    const record = await app.registry.find(request.params.id)
    const reason = record?.endedAt && endToTell(record, new Date())
    if (reason) return { state: record.state, display: false, reason }
    const session = app.sessions.get(request.params.id)
    const display = session.state === 'ready' && await app.programs.answers(session, 'xpra', AbortSignal.timeout(ANSWER_MS))
    return { state: session.state, display, ...app.expiry.show(session.id) }
  })
}

export default getDisplayState
