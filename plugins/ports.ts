import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Ports } from '../src/domain/capabilities.ts'
import type { Slot } from '../src/domain/session.ts'
import { slotAt } from '../src/domain/slots.ts'
import { failure } from '../src/errors.ts'
import { isPortFree } from '../src/system/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    ports: Ports & {
      /**
       * Takes a slot whose three ports are free; it is taken before the first await, so that no two requests get one.
       * @throws {Ex10Error} EX10_NO_SLOT
       */
      reserve (): Promise<Slot>
      /** How many slots are taken. */
      taken (): number
    }
  }
}

async function ports (app: FastifyInstance): Promise<void> {
  const { portBase, slots } = app.config
  const taken = new Set<number>()
  let next = 0 // going round, a slot rests for as long as possible before it serves again

  async function reserve (): Promise<Slot> {
    const busy: number[] = [] // somebody else listens there: held until we are done, so as not to try them again
    try {
      for (;;) {
        const slot = slotAt(take(), portBase)
        if (await areFree(slot)) return slot
        busy.push(slot.index)
      }
    } finally {
      for (const index of busy) taken.delete(index)
    }
  }

  function take (): number {
    for (let tried = 0; tried < slots; tried++) {
      const index = next
      next = (next + 1) % slots
      if (!taken.has(index)) {
        taken.add(index)
        return index
      }
    }
    throw failure('NO_SLOT', { retryAfterSeconds: 10 })
  }

  app.decorate('ports', {
    reserve,
    release: (index: number) => { taken.delete(index) },
    taken: () => taken.size
  })
}

async function areFree (slot: Slot): Promise<boolean> {
  const free = await Promise.all([slot.displayPort, slot.devServerPort, slot.devToolsPort].map(isPortFree))
  return free.every(Boolean)
}

export default fp(ports, { name: 'ports', dependencies: ['config'] })
