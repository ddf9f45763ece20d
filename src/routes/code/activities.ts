import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors, SessionParams } from '#schemas/common.ts'
import { ActivityBody, ActivityList, ActivityParams, ActivityView, Discarded, RollbackQuery } from '#schemas/version.ts'
import { activityViewOf } from './version-view.ts'

const activities: FastifyPluginAsyncTypebox = async app => {
  app.get('/sessions/:id/activities', {
    config: { scope: 'view', session: 'ready', noted: 'session.viewed' },
    schema: {
      operationId: 'listActivities',
      summary: 'Lists the session\'s activities, newest first',
      description: 'At most 200. The versions of an activity have its number.',
      tags: ['code'],
      params: SessionParams,
      response: { 200: ActivityList }
    }
  }, async ({ session }) => ({ activities: [...(await app.history.of(session)).activities].reverse().map(activityViewOf) }))

  app.post('/sessions/:id/activities', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'beginActivity',
      summary: 'Begins an activity: pushes from now on belong to it, until it is committed or discarded',
      description: 'A session has one activity at a time. It is committed by itself when nothing was pushed for 30 minutes (`EX10_ACTIVITY_TIMEOUT`). It survives a restart of the server.',
      tags: ['code'],
      params: SessionParams,
      body: ActivityBody,
      response: { 201: ActivityView, ...errors(400, 409, 413, 502) }
    }
  }, async ({ session, principal, body }, reply) => {
    reply.code(201)
    return activityViewOf(await app.activities.begin(session, principal.user, body.title))
  })

  app.post('/sessions/:id/activities/:activity/commit', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'commitActivity',
      summary: 'Ends an activity; what was pushed stays',
      description: 'Pushes that are under way belong to it.',
      tags: ['code'],
      params: ActivityParams,
      response: { 200: ActivityView, ...errors(400, 404, 409) }
    }
  }, async ({ session, params }) => activityViewOf(await app.activities.commit(session, params.activity)))

  app.post('/sessions/:id/activities/:activity/discard', {
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'discardActivity',
      summary: 'Ends an activity, and makes the files as they were when it began',
      description: 'Counts as one push, and is reloaded like one. What was pushed meanwhile stays among the versions.',
      tags: ['code'],
      params: ActivityParams,
      querystring: RollbackQuery,
      response: { 200: Discarded, ...errors(400, 404, 409, 502, 503, 507) }
    }
  }, async ({ session, principal, params, query }) => {
    const { activity, version } = await app.activities.discard(session, principal.user, params.activity)
    const outcome = query.wait ? await app.codeUpdates.settled(session) : undefined
    return { success: true as const, message: `Activity ${activity.activity} was discarded`, version, ...outcome, activity: activityViewOf(activity) }
  })
}

export default activities
