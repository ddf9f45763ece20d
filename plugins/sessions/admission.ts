import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Asker, Shortage } from '#domain/machine/places.ts'
import type { Session } from '#domain/session.ts'
import { Turn } from '#domain/sessions/turn.ts'
import { failure, type Ex10Error } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The limits of sessions: places, evictions and the queue. */
    admission: {
      /**
       * Takes a place for a session. When a limit is reached, follows EX10_WHEN_FULL: it refuses, or resolves with the
       * turn to wait for. The place, or the wait for it, must be released. No session is evicted for one that the disk or the
       * firewall would refuse.
       * @throws {Ex10Error} EX10_TOO_MANY_USER_SESSIONS, EX10_TOO_MANY_SESSIONS, EX10_QUEUE_FULL; instead of an eviction, EX10_NO_DISK, EX10_FIREWALL
       */
      enter (asker: Asker): Promise<Turn | undefined>
    }
  }
}

async function admission (app: FastifyInstance): Promise<void> {
  const { places, sessions, events } = app
  const { whenFull } = app.config
  const log = app.log.child({ plugin: 'admission' })
  const leaving = new Map<string, Promise<void>>() // the evictions under way: each further creation evicts another session

  app.decorate('admission', { enter })

  async function enter (asker: Asker): Promise<Turn | undefined> {
    if (whenFull === 'evict-oldest' && places.shortageFor(asker.owner) && nextOf(asker.owner)) await lookFirst()
    const shortage = places.take(asker)
    if (!shortage) return undefined
    if (whenFull === 'refuse' || (whenFull === 'evict-oldest' && !nextOf(asker.owner))) throw refusal(shortage)
    const turn = new Turn(asker)
    if (!places.join(turn)) throw shortage === 'user' ? refusal(shortage) : failure('QUEUE_FULL')
    if (whenFull === 'evict-oldest') {
      makeRoom(turn, shortage).catch(err => {
        log.error({ err }, 'eviction aborted')
        turn.turnAway(refusal(shortage))
      })
    }
    return turn
  }

  /** Checks that the new session could be made in place of an evicted one, whose slot it will get. */
  async function lookFirst (): Promise<void> {
    await Promise.all([app.homes.look(true), app.firewall.verify()])
  }

  /** Evicts sessions of the turn's user until the turn has come. One is enough unless there are more sessions than the limit allows. */
  async function makeRoom (turn: Turn, shortage: Shortage): Promise<void> {
    const stuck = new Set<string>()
    while (places.waiting.includes(turn)) {
      const next = nextOf(turn.owner, stuck)
      if (!next) return turn.turnAway(refusal(shortage))
      try {
        await evict(next)
      } catch (err) {
        if (next.state === 'ready') throw err // a ready session could not be ended: evict no further ones in vain
        log.warn({ err, sessionId: next.id }, 'eviction failed')
        stuck.add(next.id) // this session cannot be ended yet: try another one
      }
      // the freed place may have gone to an earlier turn, whose own eviction takes longer
      while (places.waiting.includes(turn) && leaving.size > 0) await Promise.race(leaving.values())
    }
  }

  /** The session whose place comes free next: one that is ending already, else the oldest. */
  function nextOf (user: string, stuck: ReadonlySet<string> = new Set()): Session | undefined {
    const own = sessions.list().filter(({ id, owner }) => owner === user && !leaving.has(id) && !stuck.has(id))
    return own.find(({ state }) => state === 'stopping') ?? own.find(({ state }) => state === 'ready')
  }

  async function evict (session: Session): Promise<void> {
    if (session.state === 'ready') events.publish(session, { type: 'warning', reason: 'evicted', message: 'The session is being evicted: its user has reached the limit of sessions and is creating another one' })
    const end = sessions.end(session.id, session.reason ?? 'evicted')
    leaving.set(session.id, end.catch(() => {}).then(() => { leaving.delete(session.id) }))
    await end
  }
}

function refusal (shortage: Shortage): Ex10Error {
  return failure(shortage === 'user' ? 'TOO_MANY_USER_SESSIONS' : 'TOO_MANY_SESSIONS')
}

export default fp(admission, { name: 'admission', dependencies: ['config', 'places', 'homes', 'firewall', 'sessions', 'events'] })
