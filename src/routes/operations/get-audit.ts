import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { viewAudit } from '#domain/machine/audit.ts'
import { failure } from '#errors.ts'
import { errors } from '#schemas/common.ts'

const AUDIT_MS = 30_000

const Findings = (description: string) => Type.Array(Type.Object({
  kind: Type.String({ description: 'The kind of thing: account, process, listener, cgroup …' }),
  name: Type.String({ description: 'Its name, for people' })
}, { title: 'Finding', description: 'A thing of the machine or of this server' }), { description })

/** GET /admin/audit: the leaked and missing things of the machine and this server, as the live sessions imply them. */
const getAudit: FastifyPluginAsyncTypebox = async app => {
  let running: ReturnType<typeof app.audit.run> | undefined

  app.get('/admin/audit', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getAudit',
      summary: 'Compares the machine and this server with what the live sessions imply',
      description: '`leaked` is there without a live session that it belongs to; `missing` is not there, although a live session needs it. Both are empty when all is well.',
      tags: ['operation'],
      response: {
        200: Type.Object({ leaked: Findings('There, and of no live session'), missing: Findings('Not there, although a live session must have it'), unknown: Type.Optional(Findings('Entries of the data folder that Ex10 did not make; absent when there are none')) }, { title: 'Audit', description: 'What should not be there, and what should' }),
        ...errors(500)
      }
    }
  }, async () => {
    // requests meanwhile share one audit, which is expensive
    running ??= app.audit.run(AbortSignal.timeout(AUDIT_MS), { isFull: true }).finally(() => { running = undefined })
    const found = await running
    const { unseen } = found
    if (unseen.length > 0) throw failure('INTERNAL', { cause: new AggregateError(unseen.map(({ error }) => error), `not seen: ${unseen.map(({ noun }) => noun).join(', ')}`) })
    return viewAudit(found)
  })
}

export default getAudit
