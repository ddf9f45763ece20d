import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { Binary } from '#schemas/file.ts'
import { asDownload } from '#routes/code/download.ts'

const ENDINGS = { 'tar.gz': 'gzip', 'tar.zst': 'zstd' } as const

const SnapshotQuery = Type.Object({
  format: Type.Optional(Type.Union([Type.Literal('tar.gz'), Type.Literal('tar.zst')], { default: 'tar.gz', description: 'The form of the archive' }))
}, { additionalProperties: false })

/** GET /sessions/:id/snapshot: a whole session as one archive. */
const getSnapshot: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/snapshot', {
    exposeHeadRoute: false,
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'getSnapshot',
      summary: 'Sends the whole session as one archive: code, state, the extension\'s storage, tabs',
      description: '`POST /sessions/import` makes a session of it, here or on another server. docs/recovery.md describes the archive.',
      tags: ['memory'],
      params: SessionParams,
      querystring: SnapshotQuery,
      response: { 200: { description: 'The archive', content: { 'application/octet-stream': { schema: Binary } } }, ...errors(429, 502) }
    }
  }, async ({ session, query: { format = 'tar.gz' }, gone }, reply) => {
    const snapshot = await app.snapshots.take(session, 'asked', gone)
    return asDownload(reply, `session.${format}`).send(app.remembering.pack(snapshot, ENDINGS[format]))
  })
}

export default getSnapshot
