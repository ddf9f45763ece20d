import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { csvOf } from '#domain/operations/csv.ts'
import type { UsageReport } from '#domain/operations/usage-report.ts'
import { failure } from '#errors.ts'
import { UsageQuery, UsageView } from '#schemas/analytics.ts'
import { errors } from '#schemas/common.ts'

/** GET /admin/analytics, as JSON or CSV. */
const getUsage: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/analytics', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getUsage',
      summary: 'Sums up the sessions of the last hour, day, week or month',
      description: 'As JSON, or as CSV with `format=csv` or `Accept: text/csv`. Sessions of erased users count without a name. Sessions that ended before EX10_RETENTION_DAYS are not in it.',
      tags: ['administration'],
      querystring: UsageQuery,
      response: {
        200: { description: 'The sums. The CSV has the columns metric, name and value', content: { 'application/json': { schema: UsageView }, 'text/csv': { schema: Type.String() } } },
        ...errors(400, 409)
      }
    }
  }, async ({ query: { period = 'day', format }, headers: { accept = '' } }, reply) => {
    if (!app.analytics.isOn) throw failure('TRACKING_OFF')
    const report = await app.summaries.report(period)
    const isCsv = format === 'csv' || (format === undefined && /\btext\/csv\b/.test(accept))
    reply.header('cache-control', 'no-store').header('vary', 'accept')
    if (!isCsv) return reply.type('application/json').send({ period, ...report })
    return reply.type('text/csv; charset=utf-8; header=present').header('content-disposition', `attachment; filename="ex10-${period}.csv"`).send(csvOf(tableOf(period, report)))
  })
}

/** One row for each number: its metric, what it is about, and its value. */
function tableOf (period: string, { from, to, durations, failures, ends, byTemplate, byUser, ...counts }: UsageReport): (string | number)[][] {
  const shares = (of: string, all: UsageReport['byUser']) => all.flatMap(({ name, sessions, failed, seconds }) => [
    [`${of} sessions`, name, sessions], [`${of} failed`, name, failed], [`${of} seconds`, name, seconds]
  ])
  return [
    ['metric', 'name', 'value'],
    ['period', '', period], ['from', '', from], ['to', '', to],
    ...Object.entries(counts).map(([metric, value]) => [metric, '', value]),
    ...Object.entries(durations ?? {}).map(([metric, value]) => ['duration seconds', metric, value]),
    ...failures.map(({ reason, count }) => ['failures', reason, count]),
    ...ends.map(({ reason, count }) => ['ends', reason, count]),
    ...shares('template', byTemplate),
    ...shares('user', byUser)
  ]
}

export default getUsage
