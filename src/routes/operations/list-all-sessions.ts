import type { FastifyInstance } from 'fastify'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Session } from '#domain/session.ts'
import { AdminSessions, AdminSessionsQuery, type AdminSession } from '#schemas/admin.ts'
import { errors } from '#schemas/common.ts'
import { viewSession } from '#routes/sessions/session-view.ts'

/** GET /admin/sessions. A page begins after the last session of the page before it, so that none is missed or shown twice when sessions end meanwhile. */
const listAllSessions: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/sessions', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'listAllSessions',
      summary: 'Lists everybody\'s sessions that have not ended, and the connections to them',
      description: 'Page by page: a session is neither missed nor listed twice when others end meanwhile. Send the `next` of a page as `after` to get the next page.',
      tags: ['administration'],
      querystring: AdminSessionsQuery,
      response: { 200: AdminSessions, ...errors(400) }
    }
  }, async ({ principal, query: { user, state, olderThan = 0, idle, limit = 100, after = '' } }) => {
    const latest = Date.now() - olderThan * 1000
    const found = app.rights.sessions(principal).filter(session =>
      (user === undefined || session.owner === user) && (state === undefined || session.state === state) && session.createdAt.getTime() <= latest &&
      (idle === undefined || isIdle(app, session, idle * 1000)))
    const left = found.sort(byPlace).filter(session => after === '' || isAfter(session, after))
    const page = left.slice(0, limit)
    const sessions = await Promise.all(page.map(session => viewForAdmin(app, session)))
    return { sessions, total: found.length, ...(left.length > limit && { next: placeOf(page.at(-1)!) }) }
  })
}

function placeOf ({ createdAt, id }: Session): string {
  return `${createdAt.getTime()}-${id}`
}

function byPlace (a: Session, b: Session): number {
  return a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1)
}

function isAfter ({ createdAt, id }: Session, place: string): boolean {
  const [time = '', lastId = ''] = place.split('-')
  return createdAt.getTime() > Number(time) || (createdAt.getTime() === Number(time) && id > lastId)
}

/** Whether the session has not been used for `ms`. Only a ready session has clocks. */
function isIdle (app: FastifyInstance, { id }: Session, ms: number): boolean {
  const shown = app.expiry.show(id)
  return shown !== undefined && shown.idleMs >= ms
}

async function viewForAdmin (app: FastifyInstance, session: Session): Promise<AdminSession> {
  const view = await viewSession(app, session)
  return {
    ...view,
    address: session.address,
    ...(session.port !== undefined && { port: session.port }),
    authenticated: session.isAuthenticated,
    ...(view.idleMs !== undefined && { lastActivityAt: new Date(Date.now() - view.idleMs).toISOString() }),
    channels: app.channels.of(session.id).map(channel => ({ ...channel, openedAt: channel.openedAt.toISOString() }))
  }
}

export default listAllSessions
