import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'

/** GET /ready: whether a session could be created now. */
const ready: FastifyPluginAsyncTypebox = async app => {
  let checking: Promise<void> | undefined

  async function check (): Promise<void> {
    await app.storeLink.check()
    await app.firewall.verify()
    await app.homes.look()
  }

  app.get('/ready', {
    config: { scope: 'everybody' },
    schema: {
      operationId: 'getReady',
      summary: 'Whether sessions can be created: the server is not drained, its store answers, the firewall is in force, the limit of sessions is not reached, a slot is free, and the disk could hold another home',
      description: 'For load balancers and deployments. A refusal says why, by its code.',
      tags: ['operation'],
      response: { 200: Type.Object({ ready: Type.Literal(true) }, { title: 'Ready', description: 'A session can be created' }), ...errors(503, 507) }
    }
  }, async () => {
    app.drain.signal.throwIfAborted()
    // requests meanwhile share one check: anybody may send them, and creations wait for the same queue
    checking ??= check().finally(() => { checking = undefined })
    await checking
    if (app.places.areTaken) throw failure('TOO_MANY_SESSIONS')
    if (app.ports.count().free === 0) throw failure('NO_SLOT')
    return { ready: true as const }
  })
}

export default ready
