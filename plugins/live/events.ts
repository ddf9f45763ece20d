import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { isPassing, type SessionEvent } from '#domain/live/event.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { readEvents, writeEvents } from '#system/instance/event-file.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The events of sessions: kept, and delivered to listeners. */
    events: {
      /** Begins to keep the session's events. */
      open (facts: SessionFacts, past?: SessionEvent[]): void
      /** The session's events that an earlier server kept. */
      kept (facts: SessionFacts): Promise<SessionEvent[]>
      /** Calls `listener` with every event of every session from now on, including sessions that never became ready. `listener` must not throw. */
      observe (listener: (facts: SessionFacts, event: SessionEvent) => void): void
      publish (facts: SessionFacts, event: Omit<SessionEvent, 'at'> & { at?: string }): void
      /** The session's last 200 events, oldest first. */
      past (id: string): readonly SessionEvent[]
      /**
       * Calls `listener` with every event from now on, until the returned function is called or the session ends.
       * @throws {Ex10Error} EX10_TOO_MANY_STREAMS
       */
      follow (id: string, listener: (event: SessionEvent) => void): () => void
      /** Forgets the session after its last event has been published. */
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
  const placeOf = ({ id }: SessionFacts) => ({ sealer: app.sealer, dir: app.instance.folder.session(id), session: id })

  app.audit.own('history', () => histories.keys(), ({ id }) => [id])
  app.decorate('events', {
    kept: (facts: SessionFacts) => readEvents(placeOf(facts)).catch(err => {
      app.log.error({ err, sessionId: facts.id }, 'events cannot be opened: the session goes on without its earlier ones')
      return []
    }),
    open (facts: SessionFacts, events: SessionEvent[] = []) {
      const history = { events, readers: new Listeners<[SessionEvent]>(), save: coalesce(() => writeEvents(placeOf(facts), events)) }
      histories.set(facts.id, history)
    },
    observe (listener: (facts: SessionFacts, event: SessionEvent) => void) { observers.add(listener) },
    publish (facts: SessionFacts, event: Omit<SessionEvent, 'at'> & { at?: string }) {
      const dated = { at: new Date().toISOString(), ...event }
      observers.tell(facts, dated)
      const history = histories.get(facts.id)
      if (!history) return // the history is not open yet, or has been closed
      if (!isPassing(event)) {
        history.events.push(dated)
        history.events.splice(0, history.events.length - KEPT)
      }
      history.readers.tell(dated)
      if (isPassing(event) || event.type === 'ended') return // its folder is gone
      history.save().catch(err => app.log.warn({ err, sessionId: facts.id }, 'event write failed'))
    },
    past: (id: string) => histories.get(id)?.events ?? [],
    follow (id: string, listener: (event: SessionEvent) => void) {
      const readers = histories.get(id)?.readers
      if (!readers) throw failure('SESSION_NOT_READY')
      if (readers.size >= MAX_READERS) throw failure('TOO_MANY_STREAMS')
      return readers.add(listener)
    },
    close: (facts: SessionFacts) => { histories.delete(facts.id) }
  })
}

export default fp(events, { name: 'events', dependencies: ['audit', 'instance', 'storage'] })
