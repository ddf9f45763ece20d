import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { failure } from '../errors.ts'
import { errors } from '../schemas/common.ts'

const Findings = (description: string) => Type.Array(Type.Object({
  kind: Type.String({ description: 'What it is: account, process, listener, cgroup …' }),
  name: Type.String({ description: 'Which one, for a person' })
}), { description })

/** GET /admin/audit: whether the machine and this server hold what the live sessions imply, no more and no less. */
const getAudit: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/audit', {
    schema: {
      operationId: 'getAudit',
      summary: 'Compares the machine and this server with what the live sessions imply',
      tags: ['operation'],
      response: {
        200: Type.Object({ leaked: Findings('There, and of no live session'), missing: Findings('Not there, although a live session must have it') }),
        ...errors(421, 500)
      }
    }
  }, async request => {
    const { leaked, missing, unseen } = await app.audit.run(request.signal ?? AbortSignal.timeout(30_000))
    if (unseen.length > 0) throw failure('INTERNAL', { cause: new AggregateError(unseen.map(({ error }) => error), `not seen: ${unseen.map(({ noun }) => noun).join(', ')}`) })
    return { leaked: leaked.map(({ kind, name }) => ({ kind, name })), missing: missing.map(({ kind, name }) => ({ kind, name })) }
  })
}

export default getAudit
