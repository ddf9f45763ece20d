import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Archive } from '#domain/memory/archive.ts'
import { knowsOf, mayDo, type Principal } from '#domain/principal.ts'
import { failure } from '#errors.ts'
import { ArchiveList, ArchivesQuery, ArchiveView } from '#schemas/archive.ts'
import { Done, errors, SessionParams } from '#schemas/common.ts'
import { Binary } from '#schemas/file.ts'

const DAY_MS = 86_400_000

/** /archives: what remains of ended sessions, for their owners and admins. */
const archives: FastifyPluginAsyncTypebox = async app => {
  const view = (archive: Archive) => ({ ...archive, deletedAfter: new Date(Date.parse(archive.endedAt) + app.config.retentionDays * DAY_MS).toISOString() })

  app.get('/archives', {
    config: { scope: 'view' },
    schema: {
      operationId: 'listArchives',
      summary: 'Lists your archives; for admins, those of all users, or of one',
      description: 'A session is archived at its end when EX10_ARCHIVE=1, and for EX10_RETENTION_DAYS.',
      tags: ['memory'],
      querystring: ArchivesQuery,
      response: { 200: ArchiveList, ...errors(400) }
    }
  }, async ({ principal, query: { user, limit = 100, after } }) => {
    const isAdmin = mayDo(principal, 'admin')
    if (user !== undefined && user !== principal.user && !isAdmin) throw failure('FORBIDDEN', { details: { scope: 'admin' } })
    const { archives, next } = await app.archives.list(user ?? (isAdmin ? undefined : principal.user), { limit, after })
    return { archives: archives.map(view), ...(next !== undefined && { next }) }
  })

  app.get('/archives/:id', {
    config: { scope: 'view' },
    schema: { operationId: 'getArchive', summary: 'Shows an archive', description: 'By the id that the session had.', tags: ['memory'], params: SessionParams, response: { 200: ArchiveView, ...errors(404) } }
  }, async ({ principal, params: { id } }) => view(await find(principal, id)))

  app.get('/archives/:id/download', {
    exposeHeadRoute: false,
    config: { scope: 'view', noted: 'session.viewed' },
    schema: {
      operationId: 'downloadArchive',
      summary: 'Sends an archive as a tar.gz',
      description: 'The final code in the folder `code`, and `session.json`, `events.json`, `analytics.json`, `state.json` and `storage.json` (that of the extension), as far as they are there.',
      tags: ['memory'],
      params: SessionParams,
      response: { 200: { description: 'The tar.gz', content: { 'application/gzip': { schema: Binary } } }, ...errors(404) }
    }
  }, async (request, reply) => {
    const archive = await find(request.principal, request.params.id)
    const { id, owner } = archive
    if (owner !== request.principal.user) await request.note({ target: id, details: { owner } })
    reply.headers({ 'content-disposition': `attachment; filename="session-${id}.tar.gz"`, 'cache-control': 'private, no-store', 'content-security-policy': 'default-src \'none\'; sandbox' })
    return reply.type('application/gzip').send(await app.archives.download(archive))
  })

  app.delete('/archives/:id', {
    config: { scope: 'create', noted: 'archive.deleted' },
    schema: { operationId: 'deleteArchive', summary: 'Deletes an archive', description: 'With everything that is kept of the session for it alone.', tags: ['memory'], params: SessionParams, response: { 200: Done, ...errors(404) } }
  }, async request => {
    const archive = await find(request.principal, request.params.id)
    await app.archives.remove(archive)
    await request.note({ target: archive.id, details: { owner: archive.owner } })
    return { success: true as const, message: `Erased: the archive of session ${archive.id}, with its code, state, storage, tabs and events` }
  })

  async function find (principal: Principal, id: string): Promise<Archive> {
    const archive = await app.archives.find(id)
    if (!knowsOf(principal, archive)) throw failure('ARCHIVE_NOT_FOUND')
    return archive
  }
}

export default archives
