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
       * Takes a slot with three free ports for the session: that with this port of the dev server, if it is free. The slot is taken before the first await, so that no two sessions get the same one.
       * @throws {Ex10Error} EX10_NO_SLOT
       */
      reserve (sessionId: string, devServerPort?: number): Promise<Slot>
      /** Takes the slot of a session that an earlier server made. */
      hold (sessionId: string, slotIndex: number): void
      /** Whether these are the ports of a slot of this server. */
      isSlot (slot: Slot): boolean
      /** Frees the session's slot, if it has one. */
      release (sessionId: string): void
      /** How many slots are taken, and how many are free. */
      count (): { taken: number, free: number }
    }
  }
}

async function ports (app: FastifyInstance): Promise<void> {
  const { portBase, slots } = app.config
  const taken = new Map<string, number>() // by session
  let next = 0 // slots are tried in a circle, so that each rests for as long as possible before it is used again

  app.audit.own('slot', () => [...taken.values()].map(slotKey), ({ slot }) => [slotKey(slot.index)])
  app.decorate('ports', {
    reserve,
    hold: (id, index) => { taken.set(id, index) },
    isSlot: slot => slot.index < slots && isDeepStrictEqual(slot, slotAt(slot.index, portBase)),
    release: id => { taken.delete(id) },
    count: () => ({ taken: taken.size, free: slots - taken.size })
  } satisfies FastifyInstance['ports'])

  async function reserve (id: string, devServerPort?: number): Promise<Slot> {
    const busy = new Set<number>() // slots with a port on which another program listens
    for (let index = wanted(devServerPort) ?? nextBut(busy); index !== undefined; index = nextBut(busy)) {
      taken.set(id, index)
      const slot = slotAt(index, portBase)
      if (await areFree(slot)) return slot
      busy.add(index)
    }
    taken.delete(id)
    throw failure('NO_SLOT')
  }

  /** The slot with this port of the dev server, unless it is taken. */
  function wanted (devServerPort: number | undefined): number | undefined {
    if (devServerPort === undefined) return undefined
    const index = devServerPort - slotAt(0, portBase).devServerPort
    return index >= 0 && index < slots && ![...taken.values()].includes(index) ? index : undefined
  }

  /** The next slot that is neither taken nor in `busy`. */
  function nextBut (busy: ReadonlySet<number>): number | undefined {
    const isNoUse = new Set(taken.values()).union(busy)
    for (let tried = 0; tried < slots; tried++) {
      const index = next
      next = (next + 1) % slots
      if (!isNoUse.has(index)) return index
    }
  }
}

async function areFree (slot: Slot): Promise<boolean> {
  const free = await Promise.all(portsOf(slot).map(isPortFree))
  return free.every(Boolean)
}

export default fp(ports, { name: 'ports', dependencies: ['config', 'audit'] })
