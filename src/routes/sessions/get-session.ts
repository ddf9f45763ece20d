import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SessionParams } from '#schemas/common.ts'
import { SessionView } from '#schemas/session.ts'
import { displayUrlOf } from './display-url.ts'
import { viewSession } from './session-view.ts'

const getSession: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id', {
    config: { scope: 'view', session: 'known' },
    schema: {
      operationId: 'getSession',
      summary: 'Shows a session',
      description: 'The state, the health, the problems of the extension, the client that created it, and when the session ends by itself. Reading does not count as a use of the session.',
      tags: ['sessions'],
      params: SessionParams,
      response: { 200: SessionView }
    }
  }, async request => {
    const { session } = request
    const context = { address: session.address, ...await app.state.context(session.id) }
    return { ...await viewSession(app, session), context, ...displayUrlOf(app, request, session.id) }
  })
}

export default getSession
