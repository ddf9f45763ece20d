import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { errors, SessionParams } from '#schemas/common.ts'
import { SessionView } from '#schemas/session.ts'
import { viewSession } from './session-view.ts'

const RESTARTED = ['browser', 'display', 'all'] as const

const Restart = Type.Object({
  what: Type.Union(RESTARTED.map(what => Type.Literal(what)), { title: 'Restarted', description: 'browser: Chromium. display: the program that shows the picture; Chromium runs on. all: every program, with the X server and the dev server' })
}, { additionalProperties: false, title: 'RestartRequest', description: 'The programs to start again' })

/** POST /sessions/:id/restart: starts programs of the session again; its files stay. */
const restartSession: FastifyPluginAsyncTypebox = async app => {
  app.post('/sessions/:id/restart', {
    config: { scope: 'push', session: 'ready', counts: 'use', noted: 'session.restarted' },
    schema: {
      operationId: 'restartSession',
      summary: 'Starts the session\'s browser, its display or all its programs again. Answers when they run, and the browser has loaded the extension',
      description: 'The files stay, and the tabs are opened again. Pages that show the session connect again by themselves. Programs that were given up are started, too.',
      tags: ['sessions'],
      params: SessionParams,
      body: Restart,
      response: { 200: SessionView, ...errors(400, 502) }
    }
  }, async ({ session, body: { what } }) => {
    if (!await app.restarts.restart(session, what)) throw failure('NOT_RESTARTED')
    return await viewSession(app, app.sessions.get(session.id))
  })
}

export default restartSession
