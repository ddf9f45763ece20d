import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { readEvents, writeEvents } from '#system/instance/event-file.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What happens to sessions, for whoever wants to hear of it, now or later. */
    events: {
      /** Begins to keep the session's events. */
      open (facts: SessionFacts, past?: SessionEvent[]): void
      /** What an earlier server kept of them. */
      kept (facts: SessionFacts): Promise<SessionEvent[]>
      /** Calls `hear` with every event of every session from now on, also of those that were never ready. It must not throw. */
      observe (hear: (facts: SessionFacts, event: SessionEvent) => void): void
      publish (facts: SessionFacts, event: Omit<SessionEvent, 'at'> & { at?: string }): void
      /** What has happened, oldest first: the last 200 events. */
      past (id: string): readonly SessionEvent[]
      /**
       * Calls `hear` with every event from now on, until the returned function is called or the session ends.
       * @throws {Ex10Error} EX10_TOO_MANY_STREAMS
       */
      follow (id: string, hear: (event: SessionEvent) => void): () => void
      /** Forgets the session: its last event was published. */
      close (facts: SessionFacts): void
    }
  }
}

interface History { events: SessionEvent[], readers: Listeners<[SessionEvent]>, save: () => Promise<void> }

const KEPT = 200
const MAX_READERS = 32

async function events (app: FastifyInstance): Promise<void> {
  const histories = new Map<string, History>()
  const observers = new Listeners<[SessionFacts, SessionEvent]>()
  const dirOf = ({ id }: SessionFacts) => app.instance.folder.session(id)

  app.audit.own('history', () => histories.keys(), ({ id }) => [id])
  app.decorate('events', {
    kept: (facts: SessionFacts) => readEvents(dirOf(facts)),
    open (facts: SessionFacts, events: SessionEvent[] = []) {
      const history = { events, readers: new Listeners<[SessionEvent]>(), save: coalesce(() => writeEvents(dirOf(facts), events)) }
      histories.set(facts.id, history)
    },
    observe (hear: (facts: SessionFacts, event: SessionEvent) => void) { observers.add(hear) },
    publish (facts: SessionFacts, event: Omit<SessionEvent, 'at'> & { at?: string }) {
      const dated = { at: new Date().toISOString(), ...event }
      observers.tell(facts, dated)
      const history = histories.get(facts.id)
      if (!history) return // it was not made yet, or has been closed
      history.events.push(dated)
      history.events.splice(0, history.events.length - KEPT)
      history.readers.tell(dated)
      if (event.type === 'ended') return // its folder is gone
      history.save().catch(err => app.log.warn({ err, sessionId: facts.id }, 'events not kept'))
    },
    past: (id: string) => histories.get(id)?.events ?? [],
    follow (id: string, hear: (event: SessionEvent) => void) {
      const readers = histories.get(id)?.readers
      if (!readers) throw failure('SESSION_NOT_READY')
      if (readers.size >= MAX_READERS) throw failure('TOO_MANY_STREAMS')
      return readers.add(hear)
    },
    close: (facts: SessionFacts) => { histories.delete(facts.id) }
  })
}

export default fp(events, { name: 'events', dependencies: ['audit', 'instance'] })
