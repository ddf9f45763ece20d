import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '#schemas/common.ts'

/** GET /metrics: the metrics, in the text format of Prometheus. */
const getMetrics: FastifyPluginAsyncTypebox = async app => {
  app.get('/metrics', {
    config: { scope: 'admin', takesMetricsToken: true },
    schema: {
      operationId: 'getMetrics',
      summary: 'The metrics of the server, in the text format of Prometheus',
      description: 'For scrapers. The metrics token is a credential for this route, too.',
      tags: ['operation'],
      response: { 200: { description: 'One line for each value', content: { 'text/plain': { schema: Type.String() } } }, ...errors(500) }
    }
  }, async (_request, reply) => {
    const { contentType, text } = await app.metrics.read()
    return reply.type(contentType).send(text)
  })
}

export default getMetrics
