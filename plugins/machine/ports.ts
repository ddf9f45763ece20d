import { isDeepStrictEqual } from 'node:util'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { slotKey } from '#domain/machine/audit.ts'
import type { Slot } from '#domain/session.ts'
import { portsOf, slotAt } from '#domain/machine/slots.ts'
import { failure } from '#errors.ts'
import { isPortFree } from '#system/kernel/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    ports: {
      /**
       * Takes a slot whose three ports are free; it is taken before the first await, so that no two requests get one.
       * @throws {Ex10Error} EX10_NO_SLOT
       */
      reserve (): Promise<Slot>
      /** Takes a slot for a session that an earlier server made. */
      hold (slotIndex: number): void
      /** Whether these are the ports of a slot of this server. */
      isSlot (slot: Slot): boolean
      /** Frees the slot for the next session. */
      release (slotIndex: number): void
      /** How many slots are taken, and how many are free. */
      count (): { taken: number, free: number }
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
        busy.push(slot.index)
        if (!await areFree(slot)) continue
        busy.pop()
        return slot
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
    throw failure('NO_SLOT')
  }

  app.audit.own('slot', () => [...taken].map(slotKey), ({ slot }) => [slotKey(slot.index)])
  app.decorate('ports', {
    reserve,
    hold: (index: number) => { taken.add(index) },
    isSlot: (slot: Slot) => slot.index < slots && isDeepStrictEqual(slot, slotAt(slot.index, portBase)),
    release: (index: number) => { taken.delete(index) },
    count: () => ({ taken: taken.size, free: slots - taken.size })
  })
}

async function areFree (slot: Slot): Promise<boolean> {
  const free = await Promise.all(portsOf(slot).map(isPortFree))
  return free.every(Boolean)
}

export default fp(ports, { name: 'ports', dependencies: ['config', 'audit'] })
