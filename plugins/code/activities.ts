import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Activity } from '#domain/code/version.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Pushes that are committed or discarded together: one activity at a time in a session. */
    activities: {
      /** @throws {Ex10Error} EX10_ACTIVITY_UNDER_WAY, and the errors of `history.capture` */
      begin (facts: SessionFacts, by: string, title?: string): Promise<Activity>
      /** Ends the activity. What was pushed stays. @throws {Ex10Error} EX10_ACTIVITY_NOT_FOUND, EX10_ACTIVITY_OVER */
      commit (facts: SessionFacts, activity: number): Promise<Activity>
      /**
       * Ends the activity, and makes the files as they were when it began, as one push, whose version it resolves with.
       * @throws {Ex10Error} EX10_ACTIVITY_NOT_FOUND, EX10_ACTIVITY_OVER, and the errors of a push, after which it is still under way
       */
      discard (facts: SessionFacts, by: string, activity: number): Promise<{ activity: Activity, version: number }>
    }
  }
}

async function activities (app: FastifyInstance): Promise<void> {
  const unusedMs = app.config.activityTimeout * 1000
  /** For each session with an activity under way: ends it when there is no push for long. */
  const timers = new Map<string, NodeJS.Timeout>()

  app.audit.own('activity', () => timers.keys())
  app.decorate('activities', {
    async begin (facts, by, title) {
      const activity = await app.history.inTurn(facts, async (history, source) => {
        if (history.activity) throw failure('ACTIVITY_UNDER_WAY')
        const tree = await history.capture(source)
        const number = (history.activities.at(-1)?.activity ?? 0) + 1
        const begun: Activity = { activity: number, title, at: new Date().toISOString(), by, from: history.versions.at(-1)?.version ?? 0, tree }
        await history.noteActivity(begun)
        return begun
      })
      watch(facts, unusedMs)
      app.events.publish(facts, { type: 'activity-begun', message: `Activity ${activity.activity} has begun${title === undefined ? '' : `: ${title}`}`, activity: activity.activity })
      return activity
    },
    commit: async (facts, number) => await app.history.inTurn(facts, async () => await end(facts, await underWay(facts, number), 'committed')),
    async discard (facts, by, number) {
      const activity = await underWay(facts, number)
      const version = await app.rollbacks.goBack(facts, () => {
        if (activity.outcome) throw failure('ACTIVITY_OVER') // by a request that came at the same time
        return activity.tree
      }, { by, activity: number, rolledBackTo: activity.from }, async () => { await end(facts, activity, 'discarded') })
      return { activity, version }
    }
  } satisfies FastifyInstance['activities'])

  app.events.observe((facts, { type }) => {
    if (type === 'pushed' && timers.has(facts.id)) watch(facts, unusedMs)
    if (type === 'adopted') resume(facts).catch(err => app.log.warn({ err, sessionId: facts.id }, 'activity of an earlier server not resumed'))
    if (type === 'ended') unwatch(facts)
  })
  app.addHook('onClose', async () => { for (const timer of timers.values()) clearTimeout(timer) })

  /** The activity, which has not ended. */
  async function underWay (facts: SessionFacts, number: number): Promise<Activity> {
    const found = (await app.history.of(facts)).activities.find(({ activity }) => activity === number)
    if (!found) throw failure('ACTIVITY_NOT_FOUND')
    if (found.outcome) throw failure('ACTIVITY_OVER')
    return found
  }

  async function end (facts: SessionFacts, activity: Activity, outcome: 'committed' | 'discarded'): Promise<Activity> {
    unwatch(facts)
    await (await app.history.of(facts)).noteActivity(activity, { outcome, endedAt: new Date().toISOString() })
    app.events.publish(facts, { type: `activity-${outcome}`, message: `Activity ${activity.activity} was ${outcome}`, activity: activity.activity })
    return activity
  }

  /** Goes on with an activity that an earlier server began. */
  async function resume (facts: SessionFacts): Promise<void> {
    await Promise.resolve() // the history follows the session in the same step as this event
    const { activity, versions } = await app.history.of(facts)
    const usedAt = activity && versions.findLast(version => version.activity === activity.activity)?.at
    if (activity) watch(facts, unusedMs - (Date.now() - Date.parse(usedAt ?? activity.at)))
  }

  function watch (facts: SessionFacts, ms: number): void {
    unwatch(facts)
    timers.set(facts.id, setTimeout(() => {
      endUnused(facts).catch(err => app.log.warn({ err, sessionId: facts.id }, 'unused activity not ended'))
    }, Math.max(0, ms)).unref())
  }

  async function endUnused (facts: SessionFacts): Promise<void> {
    const { activity } = await app.history.of(facts)
    if (activity) await app.activities.commit(facts, activity.activity)
  }

  function unwatch ({ id }: SessionFacts): void {
    clearTimeout(timers.get(id))
    timers.delete(id)
  }
}

export default fp(activities, { name: 'activities', dependencies: ['config', 'audit', 'events', 'history', 'rollbacks'] })
