import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'
import { DrainRequest, DrainState } from '#schemas/drain.ts'

/** POST, GET and DELETE /admin/drain: begin, show and cancel a drain of the server. */
const drain: FastifyPluginAsyncTypebox = async app => {
  app.post('/admin/drain', {
    config: { scope: 'admin', noted: 'server.drain' },
    // a missing body means the defaults; a body of null is refused
    preValidation: async request => { if (request.body === undefined) request.body = {} },
    schema: {
      operationId: 'beginDrain',
      summary: 'Takes the server out of service: no new sessions; the live ones end at a deadline, or by themselves. Answers at once. Repeated, it sets a new deadline',
      description: 'For upgrades. `GET /ready` refuses from then on, so that a load balancer sends creations elsewhere. Each session gets the event `draining`.',
      tags: ['operation'],
      body: DrainRequest,
      response: { 200: DrainState, ...errors(400) }
    }
  }, async request => {
    app.drain.begin(request.body)
    const { deadline = '', atDeadline = '', sessions } = app.drain.state()
    await request.note({ details: { deadline, atDeadline, sessions } })
    return app.drain.state()
  })

  app.get('/admin/drain', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getDrain',
      summary: 'Whether the server is being drained, and how many sessions are left',
      description: 'A program that upgrades the server asks until no session is left.',
      tags: ['operation'],
      response: { 200: DrainState }
    }
  }, async () => app.drain.state())

  app.delete('/admin/drain', {
    config: { scope: 'admin', noted: 'server.drain-cancelled' },
    schema: {
      operationId: 'cancelDrain',
      summary: 'Ends a drain: the server takes sessions again',
      description: 'Sessions that the drain has not ended live on. Without a drain, it changes nothing.',
      tags: ['operation'],
      response: { 200: DrainState }
    }
  }, async request => {
    app.drain.cancel()
    await request.note({})
    return app.drain.state()
  })
}

export default drain
