import type { Slot } from '#domain/session.ts'

/** The distance of a slot's dev-server port below its display port, and of its DevTools port above. */
const SPREAD = 1000

/** The ports that slot `index` owns. */
export function slotAt (index: number, portBase: number): Slot {
  const displayPort = portBase + index
  return { index, displayPort, devServerPort: displayPort - SPREAD, devToolsPort: displayPort + SPREAD }
}

/** The ports of a slot. */
export function portsOf ({ displayPort, devServerPort, devToolsPort }: Slot): number[] {
  return [displayPort, devServerPort, devToolsPort]
}

/** The ports of all slots, as ranges. */
export function portRanges (portBase: number, slots: number): [number, number][] {
  return [-SPREAD, 0, SPREAD].map(offset => [portBase + offset, portBase + offset + slots - 1])
}
