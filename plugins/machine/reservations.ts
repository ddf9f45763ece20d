import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts, Slot } from '#domain/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The reservation that a session holds from before its first step until its teardown is done: its place within the
     * limits, a slot, and the promise of a home. `release` gives back all of it, and is the first entry of the session's undo stack.
     */
    reservations: {
      /**
       * Gives a session that has its place the promise of a home and a slot with free ports: that with this port of the dev server, if it is free. When it throws, `release`
       * gives back the part that it took.
       * @throws {Ex10Error} EX10_NO_DISK, EX10_NO_SLOT
       */
      complete (sessionId: string, devServerPort?: number): Promise<Slot>
      /** Reserves the place, slot and home of a session of an earlier server, even above the limits. */
      hold (facts: SessionFacts): void
      /** Gives back all that the session has, or ends its wait for a place. Does nothing when it has nothing. */
      release (sessionId: string): void
    }
  }
}

async function reservations (app: FastifyInstance): Promise<void> {
  const { places, ports, homes } = app

  app.decorate('reservations', {
    async complete (id, devServerPort) {
      await homes.promise(id)
      return await ports.reserve(id, devServerPort)
    },
    hold (facts) {
      homes.hold(facts.id)
      ports.hold(facts.id, facts.slot.index)
      places.hold(facts)
    },
    release (id) {
      homes.release(id)
      ports.release(id)
      places.release(id) // last: the place may be given to the next creation at once
    }
  } satisfies FastifyInstance['reservations'])
}

export default fp(reservations, { name: 'reservations', dependencies: ['places', 'ports', 'homes'] })
