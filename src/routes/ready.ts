import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '../schemas/common.ts'

/** GET /ready: whether a session could be created now. */
const ready: FastifyPluginAsyncTypebox = async app => {
  app.get('/ready', {
    schema: {
      operationId: 'getReady',
      summary: 'Whether sessions can be created: the firewall is in force and a slot is free',
      tags: ['operation'],
      response: { 200: Type.Object({ ready: Type.Literal(true) }), ...errors(503) }
    }
  }, async () => {
    await app.firewall.verify()
    app.ports.release((await app.ports.reserve()).index)
    return { ready: true as const }
  })
}

export default ready
